package io.fisherstreams.record;

import java.nio.charset.StandardCharsets;
import java.util.OptionalLong;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;

/**
 * A record of {@code models} by which the coordinator replaces a manifest that it rejected: the
 * accepted manifest of the key, or a tombstone when the key has none. Without it, the rejected
 * manifest would stay the newest record of its key on the compacted topic.
 */
public final class Correction {
  /** Header: the offset of the record that is replaced. */
  public static final String HEADER = "fisherstreams.corrects";

  private Correction() {}

  /** The headers of a correction. */
  public static Headers headers(long corrected) {
    return new RecordHeaders()
        .add(HEADER, Long.toString(corrected).getBytes(StandardCharsets.UTF_8));
  }

  /** The offset that a record corrects; empty for a record that is no correction. */
  public static OptionalLong corrected(Headers headers) {
    Header header = headers.lastHeader(HEADER);
    if (header == null || header.value() == null) {
      return OptionalLong.empty();
    }
    try {
      return OptionalLong.of(Long.parseLong(new String(header.value(), StandardCharsets.UTF_8)));
    } catch (NumberFormatException e) {
      return OptionalLong.empty();
    }
  }
}
