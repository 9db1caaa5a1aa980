package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import java.util.Locale;
import java.util.regex.Pattern;

/**
 * The name of a model in a pool. It becomes part of record keys ({@code name@version}), file names
 * and terminal output, so it has only characters that are harmless in all of them: ASCII letters,
 * digits and {@code . _ - /}, at most {@value #MAX_LENGTH} characters, each part between slashes
 * beginning with a letter, a digit or an underscore. Hugging Face repository names fit.
 *
 * @param value the name
 */
public record ModelName(String value) {
  static final int MAX_LENGTH = 200;

  private static final Pattern ALLOWED =
      Pattern.compile("[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*");

  /** Rejects other names with {@link InvalidInput}. */
  public ModelName {
    if (value.length() > MAX_LENGTH) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "a model name has %d characters, at most %d are allowed",
              value.length(),
              MAX_LENGTH));
    }
    if (!ALLOWED.matcher(value).matches()) {
      throw new InvalidInput(
          ("'%s' is no model name: use letters, digits and . _ - /, and begin every part between"
                  + " slashes with a letter, a digit or _")
              .formatted(printable(value)));
    }
  }

  private static String printable(String text) {
    return text.codePoints()
        .map(c -> Character.isISOControl(c) ? '?' : c)
        .collect(StringBuilder::new, StringBuilder::appendCodePoint, StringBuilder::append)
        .toString();
  }
}
