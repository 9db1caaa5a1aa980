package io.fisherstreams.record;

import java.time.Instant;
import java.util.Optional;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.header.Headers;

/**
 * A record of {@code dead-letters}, as its headers describe it. Anybody may write to the topic, so
 * each header may be missing.
 *
 * @param offset its own offset, by which commands name it
 * @param at its time, which is the rejected record's
 * @param reason why the record was rejected
 * @param kind the kind of the reason
 * @param stage the stage that rejected it; {@code -} when no header says so
 * @param topic where the record was, with the pool's name; {@code -} when no header says so
 * @param partition where it was; {@code -} when no header says so
 * @param origin its offset there; {@code -} when no header says so
 * @param key the record's key, null when it has none or is not copied
 * @param value the record's value, null for a tombstone or when it is not copied
 * @param size bytes of key, value and headers of a record that is too large to copy
 * @param sha256 hash of such a record's value, in hex
 */
@SuppressWarnings("ArrayRecordComponent") // a carrier between two methods, never compared
public record DeadLetter(
    long offset,
    Instant at,
    String reason,
    RejectionKind kind,
    String stage,
    String topic,
    String partition,
    String origin,
    byte[] key,
    byte[] value,
    Optional<String> size,
    Optional<String> sha256) {
  private static final String UNKNOWN = "-";

  /** The dead letter in a record. */
  public static DeadLetter of(ConsumerRecord<byte[], byte[]> record) {
    Headers headers = record.headers();
    return new DeadLetter(
        record.offset(),
        Instant.ofEpochMilli(record.timestamp()),
        DeadLetters.reason(headers),
        DeadLetters.kind(headers),
        DeadLetters.text(headers, DeadLetters.STAGE).orElse(UNKNOWN),
        DeadLetters.text(headers, DeadLetters.TOPIC).orElse(UNKNOWN),
        DeadLetters.text(headers, DeadLetters.PARTITION).orElse(UNKNOWN),
        DeadLetters.text(headers, DeadLetters.OFFSET).orElse(UNKNOWN),
        record.key(),
        record.value(),
        DeadLetters.text(headers, DeadLetters.SIZE),
        DeadLetters.text(headers, DeadLetters.SHA256));
  }

  /** Whether the record was on a topic, named with the pool's name or without. */
  public boolean isFrom(String pool, String name) {
    return topic.equals(name) || topic.equals(pool + "." + name);
  }

  /** Where the record was: topic, partition and offset. */
  public String place() {
    return "%s partition %s offset %s".formatted(topic, partition, origin);
  }
}
