package io.fisherstreams.cli.options;

import java.util.Locale;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** Counts of at least 1; anything else is a usage error of its option. */
public final class AtLeastOne {
  private AtLeastOne() {}

  /** For {@code int} options. */
  public static final class Int implements ITypeConverter<Integer> {
    @Override
    public Integer convert(String text) {
      return (int) parse(text, Integer.MAX_VALUE);
    }
  }

  /** For {@code long} options. */
  public static final class Whole implements ITypeConverter<Long> {
    @Override
    public Long convert(String text) {
      return parse(text, Long.MAX_VALUE);
    }
  }

  private static long parse(String text, long max) {
    try {
      long count = Long.parseLong(text);
      if (count >= 1 && count <= max) {
        return count;
      }
    } catch (NumberFormatException e) {
      // rejected below like a number out of range
    }
    throw new TypeConversionException(
        String.format(Locale.ROOT, "expected a whole number from 1 to %d, found '%s'", max, text));
  }
}
