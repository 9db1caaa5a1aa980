package io.fisherstreams.record;

import java.util.Arrays;
import java.util.Locale;

/**
 * Kinds of reasons for which stages reject records, for counting. {@code docs/operations.md} says
 * what to do about each.
 */
public enum RejectionKind {
  /** The record made the stage fail three times. */
  SET_ASIDE,
  /** The key does not name what the value has. */
  KEY,
  /** A model or version that the pool does not have. */
  UNKNOWN_MODEL,
  /** An older version than the pool's. */
  STALE,
  /** Other content under a name that was used. */
  OTHER_CONTENT,
  /** The record lies in the wrong partition. */
  PARTITION,
  /** NaN, infinite, negative or too large values. */
  VALUES,
  /** More than the pool's limits allow. */
  LIMIT,
  /** The record does not fit its manifest. */
  MANIFEST_MISMATCH,
  /** A gradient batch that is not as the protocol says. */
  BATCH,
  /** More batches or examples than the model accepts. */
  NOT_WANTED,
  /** A manifest with settings or tensors that are not valid. */
  MANIFEST,
  /** An example that does not suit its model. */
  EXAMPLE,
  /** A request for an alias that is not valid. */
  ALIAS,
  /** A plan or report that no stage of the pool can have written. */
  REPORT,
  /** A tombstone of a payload that is in use. */
  TOMBSTONE,
  /** No value of the topic's type. */
  UNREADABLE,
  /** A dead letter that names none of these kinds: anybody may write to the topic. */
  OTHER;

  /** The kind with this {@link #text}; {@link #OTHER} if there is none. */
  static RejectionKind of(String text) {
    return Arrays.stream(values())
        .filter(kind -> kind.text().equals(text))
        .findFirst()
        .orElse(OTHER);
  }

  /** The name in headers, metrics and JSON, such as {@code unknown_model}. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}
