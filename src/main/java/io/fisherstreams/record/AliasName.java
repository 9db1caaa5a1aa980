package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import java.time.Instant;
import java.util.List;
import java.util.regex.Pattern;

/**
 * The name of an alias: 1 to 100 ASCII letters, digits and {@code . _ -}, the first a letter, so
 * that no command confuses it with a release's id.
 *
 * @param value the name
 */
public record AliasName(String value) {
  private static final Pattern ALLOWED = Pattern.compile("[A-Za-z][A-Za-z0-9._-]{0,99}");

  /** An alias of this name that points to no release. */
  public static Alias unset(String name) {
    return new Alias(
        name, 0L, List.of(), 0L, Instant.EPOCH, "", "", false, AliasAction.UNKNOWN, null);
  }

  /** Rejects other names with {@link InvalidInput}. */
  public AliasName {
    if (!ALLOWED.matcher(value).matches()) {
      throw new InvalidInput(
          "alias '" + value + "' is not 1 to 100 letters, digits and '. _ -', the first a letter");
    }
  }
}
