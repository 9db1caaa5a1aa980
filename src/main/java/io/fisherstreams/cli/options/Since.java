package io.fisherstreams.cli.options;

import java.time.DateTimeException;
import java.time.Instant;
import java.time.LocalDate;
import java.time.ZoneOffset;
import picocli.CommandLine.ITypeConverter;
import picocli.CommandLine.TypeConversionException;

/** A time in the past: an instant, a day in UTC, or how long ago. */
public final class Since implements ITypeConverter<Instant> {
  /** The forms, for a help text. */
  public static final String FORMS =
      "2026-11-10T12:00:00Z, 2026-11-10 (from 0:00 UTC), or how long ago, such as 90s, 30m, 2h, 7d";

  @Override
  public Instant convert(String text) {
    try {
      return Instant.parse(text);
    } catch (DateTimeException e) {
      // another form
    }
    try {
      return LocalDate.parse(text).atStartOfDay(ZoneOffset.UTC).toInstant();
    } catch (DateTimeException e) {
      // another form
    }
    return Age.parse(text)
        .map(age -> Instant.now().minus(age))
        .orElseThrow(
            () -> new TypeConversionException("expected " + FORMS + ", found '" + text + "'"));
  }
}
