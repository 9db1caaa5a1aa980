package io.fisherstreams.demo;

/** Text in a page. */
final class Html {
  private Html() {}

  /** The text with the characters replaced that would be markup. */
  static String text(String text) {
    return text.replace("&", "&amp;")
        .replace("<", "&lt;")
        .replace(">", "&gt;")
        .replace("\"", "&quot;");
  }
}
