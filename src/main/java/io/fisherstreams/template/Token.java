package io.fisherstreams.template;

/**
 * A part of a template's text.
 *
 * @param text what stands there; of a string its value
 * @param line from 1
 */
record Token(Kind kind, String text, int line) {
  enum Kind {
    TEXT,
    PRINT_START,
    PRINT_END,
    BLOCK_START,
    BLOCK_END,
    NAME,
    STRING,
    INTEGER,
    FLOAT,
    OPERATOR,
    END
  }

  boolean isOperator(String operator) {
    return kind == Kind.OPERATOR && text.equals(operator);
  }

  boolean isName(String name) {
    return kind == Kind.NAME && text.equals(name);
  }

  /** The token in messages. */
  String shown() {
    return switch (kind) {
      case TEXT, STRING -> "a text";
      case END -> "the end of the template";
      default -> "'" + text + "'";
    };
  }
}
