package io.fisherstreams.record;

import io.fisherstreams.files.Sha256;
import java.nio.charset.StandardCharsets;
import java.util.Optional;
import java.util.Set;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * Dead letters: the key, value and headers of a rejected record unchanged, and headers with its
 * origin, the reason and its kind. Of a record that is too large to copy, the letter names size and
 * hash.
 */
public final class DeadLetters {
  /** Header: why the record was rejected, in English. */
  public static final String REASON = "fisherstreams.reason";

  /** Header: the kind of the reason, by {@link RejectionKind#text}. */
  public static final String KIND = "fisherstreams.kind";

  /** Header: the stage that rejected it, by {@link Stage#text}. */
  public static final String STAGE = "fisherstreams.stage";

  /** Header: the topic it was on. */
  public static final String TOPIC = "fisherstreams.topic";

  /** Header: its partition there. */
  public static final String PARTITION = "fisherstreams.partition";

  /** Header: its offset there. */
  public static final String OFFSET = "fisherstreams.offset";

  /** Header of a record that is not copied: bytes of its key, value and headers. */
  public static final String SIZE = "fisherstreams.size";

  /** Header of a record that is not copied: the SHA-256 of its value, in hex. */
  public static final String SHA256 = "fisherstreams.sha256";

  private static final Set<String> OURS =
      Set.of(REASON, KIND, STAGE, TOPIC, PARTITION, OFFSET, SIZE, SHA256);

  // A message may quote the record's content; the header must fit into the topic's limit.
  private static final int MAX_REASON_LENGTH = 4096;

  // What a header takes beside its name and value, at most.
  private static final int HEADER_OVERHEAD = 10;

  private DeadLetters() {}

  /** The dead letter of a rejected record. */
  public static Record<byte[], byte[]> of(
      Record<byte[], byte[]> record, RecordMetadata origin, Stage stage, Rejection rejection) {
    return letter(record, origin, stage, rejection, PoolTopics.MAX_RECORD_BYTES);
  }

  /** The dead letter of a record of which it copies nothing. */
  public static Record<byte[], byte[]> withoutContent(
      Record<byte[], byte[]> record, RecordMetadata origin, Stage stage, Rejection rejection) {
    return letter(record, origin, stage, rejection, -1);
  }

  private static Record<byte[], byte[]> letter(
      Record<byte[], byte[]> record,
      RecordMetadata origin,
      Stage stage,
      Rejection rejection,
      long maxCopied) {
    Headers headers =
        headers(origin.topic(), origin.partition(), origin.offset(), stage, rejection);
    long size = size(record.key(), record.value(), record.headers());
    boolean isCopied = size <= maxCopied;
    addContent(headers, record.headers(), record.value(), size, isCopied);
    return new Record<>(
        isCopied ? record.key() : null,
        isCopied ? record.value() : null,
        Math.max(0, record.timestamp()),
        headers);
  }

  /** The dead letter of a rejected record, for topic {@code deadLetters}. */
  public static ProducerRecord<byte[], byte[]> of(
      ConsumerRecord<byte[], byte[]> record, String deadLetters, Stage stage, Rejection rejection) {
    Headers headers =
        headers(record.topic(), record.partition(), record.offset(), stage, rejection);
    long size = size(record.key(), record.value(), record.headers());
    boolean isCopied = size <= PoolTopics.MAX_RECORD_BYTES;
    addContent(headers, record.headers(), record.value(), size, isCopied);
    return new ProducerRecord<>(
        deadLetters,
        0,
        null,
        isCopied ? record.key() : null,
        isCopied ? record.value() : null,
        headers);
  }

  private static long size(byte[] key, byte[] value, Headers headers) {
    long size = (key == null ? 0 : key.length) + (value == null ? 0L : value.length);
    for (Header header : headers) {
      size += HEADER_OVERHEAD + header.key().length();
      size += header.value() == null ? 0 : header.value().length;
    }
    return size;
  }

  /** Adds the original's headers, without those of an earlier dead letter, or its size and hash. */
  private static void addContent(
      Headers headers, Headers original, byte[] value, long size, boolean isCopied) {
    if (!isCopied) {
      put(headers, SIZE, Long.toString(size));
      put(
          headers,
          SHA256,
          Sha256.hasher().putBytes(value == null ? new byte[0] : value).hash().toString());
      return;
    }
    for (Header header : original) {
      if (!OURS.contains(header.key())) {
        headers.add(header);
      }
    }
  }

  private static Headers headers(
      String topic, int partition, long offset, Stage stage, Rejection rejection) {
    Headers headers = new RecordHeaders();
    String text = String.valueOf(rejection.reason());
    put(headers, REASON, text.substring(0, Math.min(text.length(), MAX_REASON_LENGTH)));
    put(headers, KIND, rejection.kind().text());
    put(headers, STAGE, stage.text());
    put(headers, TOPIC, topic);
    put(headers, PARTITION, Integer.toString(partition));
    put(headers, OFFSET, Long.toString(offset));
    return headers;
  }

  /** The reason in a dead letter's headers. */
  public static String reason(Headers headers) {
    return text(headers, REASON).orElse("no reason given");
  }

  /** The kind in a dead letter's headers. */
  public static RejectionKind kind(Headers headers) {
    return text(headers, KIND).map(RejectionKind::of).orElse(RejectionKind.OTHER);
  }

  /**
   * Where a rejected record was.
   *
   * @param partition its topic and partition
   * @param offset its offset there
   */
  public record Origin(TopicPartition partition, long offset) {}

  /** The origin in a dead letter's headers; empty when they name none. */
  public static Optional<Origin> origin(Headers headers) {
    Optional<String> topic = text(headers, TOPIC);
    Optional<String> partition = text(headers, PARTITION);
    Optional<String> offset = text(headers, OFFSET);
    if (topic.isEmpty() || partition.isEmpty() || offset.isEmpty()) {
      return Optional.empty();
    }
    try {
      return Optional.of(
          new Origin(
              new TopicPartition(topic.get(), Integer.parseInt(partition.get())),
              Long.parseLong(offset.get())));
    } catch (NumberFormatException e) {
      return Optional.empty(); // anybody may write to the topic
    }
  }

  /** A header as text; anybody may write to the topic, so it may be missing. */
  static Optional<String> text(Headers headers, String name) {
    return Optional.ofNullable(headers.lastHeader(name))
        .map(Header::value)
        .map(value -> new String(value, StandardCharsets.UTF_8));
  }

  private static void put(Headers headers, String name, String value) {
    headers.add(name, value.getBytes(StandardCharsets.UTF_8));
  }
}
