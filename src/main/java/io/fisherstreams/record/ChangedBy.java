package io.fisherstreams.record;

import java.nio.charset.StandardCharsets;
import java.util.Optional;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;

/**
 * Who sent a record, in a header. The sender writes it itself: it helps to find out who changed
 * something, and proves nothing.
 */
public final class ChangedBy {
  /** Header: the user's name. */
  public static final String HEADER = "fisherstreams.by";

  private static final int MAX_LENGTH = 200;

  private ChangedBy() {}

  /** Puts a user's name into the headers of a record that has none yet. */
  public static void set(Headers headers, String user) {
    if (headers.lastHeader(HEADER) == null) {
      headers.add(HEADER, user.getBytes(StandardCharsets.UTF_8));
    }
  }

  /**
   * The user that a record names, fit for one line of a log: at most 200 characters, control
   * characters as {@code ?}.
   */
  public static Optional<String> of(Headers headers) {
    Header header = headers.lastHeader(HEADER);
    if (header == null || header.value() == null || header.value().length == 0) {
      return Optional.empty();
    }
    String user = new String(header.value(), StandardCharsets.UTF_8);
    return Optional.of(
        user.substring(
                0,
                user.offsetByCodePoints(
                    0, Math.min(MAX_LENGTH, user.codePointCount(0, user.length()))))
            .replaceAll("[\\p{Cntrl}\\u2028\\u2029\\p{Cf}]", "?"));
  }
}
