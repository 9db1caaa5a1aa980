package io.fisherstreams.template;

import java.util.Iterator;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** JSON as Python's {@code json.dumps} writes it, without escapes for characters beyond ASCII. */
final class JsonText {
  private final StringBuilder text = new StringBuilder();
  private final Budget budget;
  private final int indent;

  private JsonText(Budget budget, int indent) {
    this.budget = budget;
    this.indent = indent;
  }

  /**
   * The JSON of a value.
   *
   * @param indent spaces of a level; below 0 for one line
   */
  static String of(Budget budget, Object value, int indent) {
    JsonText json = new JsonText(budget, indent);
    json.write(value, 0);
    return json.text.toString();
  }

  private void write(Object value, int level) {
    budget.reserve(1);
    if (value == null) {
      text.append("null");
    } else if (value instanceof Boolean || value instanceof Long) {
      text.append(value);
    } else if (value instanceof Double number) {
      text.append(PythonText.number(number));
    } else if (value instanceof String string) {
      write(string);
    } else if (value instanceof List<?> list) {
      items('[', list.iterator(), ']', level);
    } else if (value instanceof Map<?, ?> map) {
      items('{', map.entrySet().iterator(), '}', level);
    } else {
      throw new TemplateFault(Values.named(value) + " cannot be written as JSON");
    }
  }

  private void items(char start, Iterator<?> items, char end, int level) {
    text.append(start);
    boolean empty = !items.hasNext();
    while (items.hasNext()) {
      line(level + 1);
      Object item = items.next();
      if (item instanceof Map.Entry<?, ?> entry) {
        write((String) entry.getKey());
        text.append(": ");
        write(entry.getValue(), level + 1);
      } else {
        write(item, level + 1);
      }
      if (items.hasNext()) {
        text.append(indent < 0 ? ", " : ",");
      }
    }
    if (!empty) {
      line(level);
    }
    text.append(end);
  }

  private void line(int level) {
    if (indent >= 0) {
      budget.reserve((long) indent * level);
      text.append('\n').append(" ".repeat(indent * level));
    }
  }

  private void write(String string) {
    budget.reserve(string.length());
    text.append('"');
    for (int i = 0; i < string.length(); i++) {
      char c = string.charAt(i);
      switch (c) {
        case '"', '\\' -> text.append('\\').append(c);
        case '\n' -> text.append("\\n");
        case '\r' -> text.append("\\r");
        case '\t' -> text.append("\\t");
        case '\b' -> text.append("\\b");
        case '\f' -> text.append("\\f");
        default -> text.append(c < ' ' ? String.format(Locale.ROOT, "\\u%04x", (int) c) : c);
      }
    }
    text.append('"');
  }
}
