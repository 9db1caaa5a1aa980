package io.fisherstreams.record;

import java.nio.charset.StandardCharsets;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.Headers;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.processor.api.RecordMetadata;

/**
 * Dead letters: the key and value of a rejected record unchanged, and headers with its origin and
 * the reason.
 */
public final class DeadLetters {
  /** Header: why the record was rejected, in English. */
  public static final String REASON = "fisherstreams.reason";

  /** Header: the stage that rejected it, by {@link Stage#text}. */
  public static final String STAGE = "fisherstreams.stage";

  /** Header: the topic it was on. */
  public static final String TOPIC = "fisherstreams.topic";

  /** Header: its partition there. */
  public static final String PARTITION = "fisherstreams.partition";

  /** Header: its offset there. */
  public static final String OFFSET = "fisherstreams.offset";

  // A message may quote the record's content; the header must fit into the topic's limit.
  private static final int MAX_REASON_LENGTH = 4096;

  private DeadLetters() {}

  /** The dead letter of a rejected record. */
  public static Record<byte[], byte[]> of(
      Record<byte[], byte[]> record, RecordMetadata origin, Stage stage, String reason) {
    Headers headers =
        headers(
            record.headers(), origin.topic(), origin.partition(), origin.offset(), stage, reason);
    return new Record<>(record.key(), record.value(), record.timestamp(), headers);
  }

  /** The dead letter of a rejected record, for topic {@code deadLetters}. */
  public static ProducerRecord<byte[], byte[]> of(
      ConsumerRecord<byte[], byte[]> record, String deadLetters, Stage stage, String reason) {
    Headers headers =
        headers(
            record.headers(), record.topic(), record.partition(), record.offset(), stage, reason);
    return new ProducerRecord<>(deadLetters, 0, null, record.key(), record.value(), headers);
  }

  private static Headers headers(
      Headers original, String topic, int partition, long offset, Stage stage, String reason) {
    Headers headers = new RecordHeaders(original);
    String text = String.valueOf(reason);
    put(headers, REASON, text.substring(0, Math.min(text.length(), MAX_REASON_LENGTH)));
    put(headers, STAGE, stage.text());
    put(headers, TOPIC, topic);
    put(headers, PARTITION, Integer.toString(partition));
    put(headers, OFFSET, Long.toString(offset));
    return headers;
  }

  /** The reason in a dead letter's headers. */
  public static String reason(Headers headers) {
    Header reason = headers.lastHeader(REASON);
    return reason == null ? "no reason given" : new String(reason.value(), StandardCharsets.UTF_8);
  }

  private static void put(Headers headers, String name, String value) {
    headers.remove(name).add(name, value.getBytes(StandardCharsets.UTF_8));
  }
}
