package io.fisherstreams.cli;

import picocli.CommandLine.TypeConversionException;

/** Reads the numbers of options, and says what was expected in a user's words. */
final class Numbers {
  private Numbers() {}

  static long whole(String text) {
    try {
      return Long.parseLong(text);
    } catch (NumberFormatException e) {
      throw new TypeConversionException("expected a whole number, found '%s'".formatted(text));
    }
  }

  static double decimal(String text) {
    try {
      return Double.parseDouble(text);
    } catch (NumberFormatException e) {
      throw new TypeConversionException("expected a number, found '%s'".formatted(text));
    }
  }
}
