package io.fisherstreams.record;

import org.apache.kafka.common.errors.SerializationException;

/**
 * Why a stage rejects a record.
 *
 * @param kind for counting
 * @param reason for people, in English; it quotes names and numbers
 */
public record Rejection(RejectionKind kind, String reason) {
  /** Of a record that a topic's deserializer cannot read. */
  public static Rejection unreadable(SerializationException cause) {
    return new Rejection(RejectionKind.UNREADABLE, cause.getMessage());
  }
}
