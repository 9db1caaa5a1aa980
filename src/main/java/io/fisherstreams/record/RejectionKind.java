package io.fisherstreams.record;

import com.google.common.collect.ImmutableList;
import java.util.Locale;

/**
 * Kinds of reasons for which stages reject records, for counting: a reason itself quotes names and
 * numbers. {@code docs/operations.md} says what to do about each.
 */
public enum RejectionKind {
  /** The record made the stage fail three times. */
  SET_ASIDE("set aside"),
  /** The key does not name what the value has. */
  KEY("the record has no key", "key is '"),
  /** A model or version that the pool does not have. */
  UNKNOWN_MODEL("is unknown or withdrawn", "is unknown: the newest version is"),
  /** An older version than the pool's. */
  STALE("is stale: "),
  /** Other content under a name that was used. */
  OTHER_CONTENT("before with other content"),
  /** The record lies in the wrong partition. */
  PARTITION("belongs to partition"),
  /** NaN, infinite, negative or too large values. */
  VALUES(
      "is NaN",
      "is beyond float32",
      "expected a finite value of at least 0",
      "leave the range of float32"),
  /** More than the pool's limits allow. */
  LIMIT("are accepted", "exclusion patterns are too large"),
  /** The record does not fit its manifest. */
  MANIFEST_MISMATCH(
      "there is no such shard",
      "a parameter that its manifest does not",
      "is not part of the model's architecture",
      "the model's architecture has it",
      "has no gradient in this architecture",
      "has no runtime",
      "no TorchScript module for it"),
  /** A gradient batch that is not as the protocol says. */
  BATCH("unknown encoding", "indices are", "follows", "are reserved for the pipeline"),
  /** More batches or examples than the model accepts. */
  NOT_WANTED(
      "examples and accepts no more", "accepts no examples: its", "is beyond the", "index is"),
  /** A manifest with settings or tensors that are not valid. */
  MANIFEST(
      "the pool's base model",
      "a BASE manifest, and no other",
      "exclusion pattern",
      "expected a finite number of at least",
      "expected above 0 and at most 1",
      "expected a floating type or null",
      "bytes, expected",
      "has the unknown dtype",
      "has no valid shape",
      "is listed twice",
      "the manifest lists no parameter"),
  /** An example that does not suit its model. */
  EXAMPLE(
      "the record has no value",
      "has the input",
      "negative size in shape",
      "unknown dtype",
      "is not in 0",
      "; it has",
      ": input "),
  /** A request for an alias that is not valid. */
  ALIAS(
      "is not 1 to 100 letters",
      "asks for an unknown action",
      "has no verdict",
      "has no tombstones"),
  /** A report that no merge stage of the pool can have written. */
  REPORT("is not among the pool's", "are no decimal numbers"),
  /** No value of the topic's type. Last, since other reasons have such words too. */
  UNREADABLE(
      "wire format",
      "has no schema of id",
      "valid Avro schema",
      "fails for schema id",
      ", which is not supported",
      "bytes after the end of the",
      ", expected a ",
      ": not a "),
  /** Any other reason. */
  OTHER;

  private final ImmutableList<String> phrases;

  RejectionKind(String... phrases) {
    this.phrases = ImmutableList.copyOf(phrases);
  }

  /** The kind of a reason: the first of which it has a phrase. */
  public static RejectionKind of(String reason) {
    for (RejectionKind kind : values()) {
      if (kind.phrases.stream().anyMatch(String.valueOf(reason)::contains)) {
        return kind;
      }
    }
    return OTHER;
  }

  /** The name in metrics and JSON, such as {@code unknown_model}. */
  public String text() {
    return name().toLowerCase(Locale.ROOT);
  }
}
