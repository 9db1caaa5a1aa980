package io.fisherstreams.template;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;

/** Operations on texts as Python defines them: by code points, with Python's white space. */
final class PythonText {
  private static final int DOUBLE_DIGITS = 17;
  private static final String ESCAPES = "abfnrtv\\'\"";
  private static final String ESCAPED = "\u0007\b\f\n\r\t\u000b\\'\"";

  private PythonText() {}

  static boolean isSpace(int c) {
    return Character.isWhitespace(c) || Character.isSpaceChar(c) || c == 0x85;
  }

  static boolean isBlank(String text) {
    return text.codePoints().allMatch(PythonText::isSpace);
  }

  static String rightStripped(String text) {
    return stripped(text, null, false, true);
  }

  /**
   * Without the given characters at its ends.
   *
   * @param characters null for white space
   */
  static String stripped(String text, String characters, boolean left, boolean right) {
    int start = 0;
    int end = text.length();
    while (left && start < end && isOneOf(text.codePointAt(start), characters)) {
      start += Character.charCount(text.codePointAt(start));
    }
    while (right && end > start && isOneOf(text.codePointBefore(end), characters)) {
      end -= Character.charCount(text.codePointBefore(end));
    }
    return text.substring(start, end);
  }

  private static boolean isOneOf(int c, String characters) {
    return characters == null ? isSpace(c) : characters.indexOf(c) >= 0;
  }

  static int length(String text) {
    return text.codePointCount(0, text.length());
  }

  /** Its characters, each as a text. */
  static List<Object> characters(String text) {
    List<Object> characters = new ArrayList<>();
    text.codePoints().forEach(c -> characters.add(Character.toString(c)));
    return characters;
  }

  /** The parts between separators; a limit below 0 is none. */
  static List<Object> split(String text, String separator, long limit) {
    List<Object> parts = new ArrayList<>();
    int start = 0;
    int next = text.indexOf(separator);
    while (next >= 0 && (limit < 0 || parts.size() < limit)) {
      parts.add(text.substring(start, next));
      start = next + separator.length();
      next = text.indexOf(separator, start);
    }
    parts.add(text.substring(start));
    return parts;
  }

  /** The parts between runs of white space. */
  static List<Object> words(String text) {
    List<Object> words = new ArrayList<>();
    StringBuilder word = new StringBuilder();
    for (int c : text.codePoints().toArray()) {
      if (!isSpace(c)) {
        word.appendCodePoint(c);
      } else if (!word.isEmpty()) {
        words.add(word.toString());
        word.setLength(0);
      }
    }
    if (!word.isEmpty()) {
      words.add(word.toString());
    }
    return words;
  }

  static String capitalized(String text) {
    if (text.isEmpty()) {
      return text;
    }
    int first = text.offsetByCodePoints(0, 1);
    return text.substring(0, first).toUpperCase(Locale.ROOT)
        + text.substring(first).toLowerCase(Locale.ROOT);
  }

  /** A number as Python prints it: the fewest digits that give the same number. */
  static String number(double value) {
    BigDecimal exact = new BigDecimal(value);
    BigDecimal shortest = exact;
    for (int digits = 1; digits <= DOUBLE_DIGITS; digits++) {
      shortest = exact.round(new MathContext(digits));
      if (shortest.doubleValue() == value) {
        break;
      }
    }
    if (value == 0) {
      return 1 / value < 0 ? "-0.0" : "0.0";
    }
    shortest = shortest.stripTrailingZeros();
    int exponent = shortest.precision() - shortest.scale() - 1;
    if (exponent >= -4 && exponent < 16) {
      String plain = shortest.toPlainString();
      return plain.contains(".") ? plain : plain + ".0";
    }
    String digits = shortest.unscaledValue().abs().toString();
    return (value < 0 ? "-" : "")
        + digits.charAt(0)
        + (digits.length() > 1 ? "." + digits.substring(1) : "")
        + String.format(Locale.ROOT, "e%c%02d", exponent < 0 ? '-' : '+', Math.abs(exponent));
  }

  /** The value of a string literal's text between its quotes. */
  static String unescaped(int line, String literal) {
    if (literal.indexOf('\\') < 0) {
      return literal;
    }
    StringBuilder text = new StringBuilder();
    for (int i = 0; i < literal.length(); i++) {
      char c = literal.charAt(i);
      if (c != '\\' || i + 1 == literal.length()) {
        text.append(c);
        continue;
      }
      char escape = literal.charAt(++i);
      int known = ESCAPES.indexOf(escape);
      int digits = escape == 'x' ? 2 : escape == 'u' ? 4 : escape == 'U' ? 8 : 0;
      if (known >= 0) {
        text.append(ESCAPED.charAt(known));
      } else if (digits > 0) {
        text.appendCodePoint(codePoint(line, literal, i + 1, digits));
        i += digits;
      } else if (escape == 'N' || (escape >= '0' && escape <= '7')) {
        throw TemplateFault.at(line, "the escape \\" + escape + " is not implemented");
      } else if (escape != '\n') {
        text.append(c).append(escape);
      }
    }
    return text.toString();
  }

  private static int codePoint(int line, String literal, int start, int digits) {
    String hex = literal.substring(start, Math.min(literal.length(), start + digits));
    if (!hex.matches("[0-9A-Fa-f]{" + digits + "}")) {
      throw TemplateFault.at(line, "an escape needs " + digits + " hexadecimal digits");
    }
    long c = Long.parseLong(hex, 16);
    if (c > Character.MAX_CODE_POINT || (c >= 0xD800 && c <= 0xDFFF)) {
      throw TemplateFault.at(line, "\\u" + hex + " is no character");
    }
    return (int) c;
  }
}
