package io.fisherstreams.api;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A part of a file that a client asks for (RFC 9110, section 14).
 *
 * @param first its first byte
 * @param end after its last byte
 */
record ByteRange(long first, long end) {
  private static final Pattern ONE = Pattern.compile("bytes=([0-9]{0,18})-([0-9]{0,18})");

  /**
   * The range of a header; empty when the whole file is to be sent, because the header is none that
   * this server knows, such as one with several ranges.
   *
   * @throws Problem when no byte of the file is in the range
   */
  static Optional<ByteRange> of(String header, long size) {
    Matcher match = ONE.matcher(header.replace(" ", ""));
    if (!match.matches() || (match.group(1).isEmpty() && match.group(2).isEmpty())) {
      return Optional.empty();
    }
    long first;
    long end = size;
    if (match.group(1).isEmpty()) {
      long last = Long.parseLong(match.group(2));
      first = last == 0 ? size : Math.max(0, size - last);
    } else {
      first = Long.parseLong(match.group(1));
      if (!match.group(2).isEmpty()) {
        long last = Long.parseLong(match.group(2));
        if (last < first) {
          return Optional.empty();
        }
        end = Math.min(size, last + 1);
      }
    }
    if (first >= size) {
      throw new Problem(
          416, "the range %s has no byte of the file, which has %s".formatted(header, size));
    }
    return Optional.of(new ByteRange(first, end));
  }
}
