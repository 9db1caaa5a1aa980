package io.fisherstreams.template;

import io.fisherstreams.template.Token.Kind;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Splits a template's text into tokens, with Jinja's options {@code trim_blocks} and {@code
 * lstrip_blocks}: a line break directly after a block or comment, and spaces before one at the
 * start of its line, are not text.
 */
final class Lexer {
  private static final Pattern SPACE = Pattern.compile("[\\s\\u0085\\p{Zs}\\p{Zl}\\p{Zp}]+");
  private static final Pattern NUMBER =
      Pattern.compile("(0|[1-9](?:_?[0-9])*)(\\.[0-9]+)?([eE][+-]?[0-9]+)?");
  private static final Pattern NAME = Pattern.compile("[\\p{L}_][\\p{L}\\p{N}_]*");
  private static final Pattern OPERATOR =
      Pattern.compile("//|\\*\\*|==|!=|>=|<=|[-+/*%~\\[\\](){}<>=.:|,]");
  private static final Pattern RAW = Pattern.compile("\\{%[-+]?\\s*raw\\s*(-?)%}");
  private static final Pattern END_RAW =
      Pattern.compile("\\{%([-+]?)\\s*endraw\\s*(?:\\+%}|(-)%}|%}\\n?)");

  private final String source;
  private final List<Token> tokens = new ArrayList<>();
  private int position;
  private int line = 1;
  // Whether the last token ended with a line break.
  private boolean lineStarts = true;

  private Lexer(String source) {
    this.source = source;
  }

  /** The tokens of a text, the last of which is {@link Kind#END}. */
  static List<Token> tokens(String text) {
    String unified = text.replace("\r\n", "\n").replace('\r', '\n');
    Lexer lexer =
        new Lexer(unified.endsWith("\n") ? unified.substring(0, unified.length() - 1) : unified);
    lexer.run();
    return lexer.tokens;
  }

  private void run() {
    while (position < source.length()) {
      int start = nextTag();
      if (start < 0) {
        addText(source.substring(position));
        moveTo(source.length());
        break;
      }
      tag(start);
    }
    add(Kind.END, "");
  }

  private int nextTag() {
    for (int i = position; i < source.length() - 1; i++) {
      if (source.charAt(i) == '{' && "{%#".indexOf(source.charAt(i + 1)) >= 0) {
        return i;
      }
    }
    return -1;
  }

  private void tag(int start) {
    char sign = start + 2 < source.length() ? source.charAt(start + 2) : ' ';
    char kind = source.charAt(start + 1);
    addText(before(source.substring(position, start), sign, kind));
    Matcher raw = RAW.matcher(source).region(start, source.length());
    if (kind == '%' && raw.lookingAt()) {
      raw(raw);
      return;
    }
    moveTo(start + (sign == '-' || sign == '+' ? 3 : 2));
    switch (kind) {
      case '#' -> comment();
      case '{' -> inside(Kind.PRINT_START, "{{", Kind.PRINT_END, "}}");
      default -> inside(Kind.BLOCK_START, "{%", Kind.BLOCK_END, "%}");
    }
  }

  private String before(String text, char sign, char kind) {
    if (sign == '-') {
      return PythonText.rightStripped(text);
    }
    int lineStart = text.lastIndexOf('\n') + 1;
    boolean alone = (lineStart > 0 || lineStarts) && PythonText.isBlank(text.substring(lineStart));
    return sign != '+' && kind != '{' && alone ? text.substring(0, lineStart) : text;
  }

  private void comment() {
    int end = source.indexOf("#}", position);
    if (end < 0) {
      throw TemplateFault.at(line, "a comment has no end");
    }
    moveTo(end);
    close("#}", source.charAt(end - 1));
  }

  private void raw(Matcher start) {
    moveTo(start.end());
    if (!start.group(1).isEmpty()) {
      skipSpace();
    }
    Matcher end = END_RAW.matcher(source);
    if (!end.find(position)) {
      throw TemplateFault.at(line, "raw has no endraw");
    }
    String text = source.substring(position, end.start());
    addText(before(text, end.group(1).isEmpty() ? ' ' : end.group(1).charAt(0), '%'));
    moveTo(end.end());
    if (end.group(2) != null) {
      skipSpace();
    }
  }

  private void inside(Kind start, String opening, Kind end, String closing) {
    add(start, opening);
    Deque<Character> brackets = new ArrayDeque<>();
    while (true) {
      skipSpace();
      if (position == source.length()) {
        throw TemplateFault.at(line, "'" + opening + "' has no '" + closing + "'");
      }
      char first = source.charAt(position);
      int sign = first == '-' || first == '+' ? 1 : 0;
      if (brackets.isEmpty() && source.startsWith(closing, position + sign)) {
        add(end, closing);
        moveTo(position + sign);
        close(closing, first);
        return;
      }
      token(brackets);
    }
  }

  /** Ends a tag: {@code -} takes all space after it, and a block takes a line break. */
  private void close(String closing, char sign) {
    moveTo(position + closing.length());
    if (sign == '-') {
      skipSpace();
    } else if (sign != '+'
        && !closing.equals("}}")
        && position < source.length()
        && source.charAt(position) == '\n') {
      moveTo(position + 1);
    }
  }

  private void token(Deque<Character> brackets) {
    char first = source.charAt(position);
    if (first == '"' || first == '\'') {
      string(first);
      return;
    }
    Matcher name = NAME.matcher(source).region(position, source.length());
    Matcher number = NUMBER.matcher(source).region(position, source.length());
    Matcher operator = OPERATOR.matcher(source).region(position, source.length());
    if (name.lookingAt()) {
      add(Kind.NAME, name.group());
      moveTo(name.end());
    } else if (number.lookingAt()) {
      boolean integer = number.group(2) == null && number.group(3) == null;
      add(integer ? Kind.INTEGER : Kind.FLOAT, number.group().replace("_", ""));
      moveTo(number.end());
    } else if (operator.lookingAt()) {
      bracket(brackets, operator.group().charAt(0));
      add(Kind.OPERATOR, operator.group());
      moveTo(operator.end());
    } else {
      throw TemplateFault.at(line, "unexpected character '" + first + "'");
    }
  }

  private void bracket(Deque<Character> brackets, char c) {
    int opening = "([{".indexOf(c);
    int closing = ")]}".indexOf(c);
    if (opening >= 0) {
      brackets.push(")]}".charAt(opening));
    } else if (closing >= 0 && (brackets.isEmpty() || brackets.pop() != c)) {
      throw TemplateFault.at(line, "unexpected '" + c + "'");
    }
  }

  private void string(char quote) {
    int end = position + 1;
    while (end < source.length() && source.charAt(end) != quote) {
      end += source.charAt(end) == '\\' ? 2 : 1;
    }
    if (end >= source.length()) {
      throw TemplateFault.at(line, "a string has no end");
    }
    add(Kind.STRING, PythonText.unescaped(line, source.substring(position + 1, end)));
    moveTo(end + 1);
  }

  private void skipSpace() {
    Matcher space = SPACE.matcher(source).region(position, source.length());
    if (space.lookingAt()) {
      moveTo(space.end());
    }
  }

  private void addText(String text) {
    if (!text.isEmpty()) {
      add(Kind.TEXT, text);
    }
  }

  private void add(Kind kind, String text) {
    tokens.add(new Token(kind, text, line));
  }

  private void moveTo(int end) {
    for (int i = position; i < end; i++) {
      line += source.charAt(i) == '\n' ? 1 : 0;
    }
    if (end > position) {
      lineStarts = source.charAt(end - 1) == '\n';
    }
    position = end;
  }
}
