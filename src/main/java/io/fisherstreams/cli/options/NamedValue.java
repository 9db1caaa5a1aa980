package io.fisherstreams.cli.options;

import picocli.CommandLine.TypeConversionException;

/** A name and a value, parted by the first {@code =} of an option's text. */
record NamedValue(String name, String value) {
  static NamedValue of(String form, String text) {
    int end = text.indexOf('=');
    if (end < 0) {
      throw new TypeConversionException("expected " + form + ", found '" + text + "'");
    }
    return new NamedValue(text.substring(0, end), text.substring(end + 1));
  }
}
