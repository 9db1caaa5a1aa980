package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import java.util.regex.Pattern;

/**
 * The name of an alias: 1 to 100 ASCII letters, digits and {@code . _ -}, the first a letter, so
 * that no command can mistake it for a release's id.
 *
 * @param value the name
 */
public record AliasName(String value) {
  private static final Pattern ALLOWED = Pattern.compile("[A-Za-z][A-Za-z0-9._-]{0,99}");

  /** Refuses other names with {@link InvalidInput}. */
  public AliasName {
    if (!ALLOWED.matcher(value).matches()) {
      throw new InvalidInput(
          "alias '" + value + "' is not 1 to 100 letters, digits and '. _ -', the first a letter");
    }
  }
}
