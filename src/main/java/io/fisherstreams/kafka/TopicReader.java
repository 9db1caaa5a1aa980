package io.fisherstreams.kafka;

import io.fisherstreams.record.Topic;
import java.time.Duration;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import java.util.function.BooleanSupplier;
import java.util.function.Predicate;
import org.apache.kafka.clients.consumer.CloseOptions;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads topics up to an end that is fixed before reading begins. */
public final class TopicReader {
  private static final Logger LOG = LoggerFactory.getLogger(TopicReader.class);
  private static final Duration POLL = Duration.ofMillis(100);

  private TopicReader() {}

  /**
   * Hands every committed record of a small topic over, in the order of its partition; the value is
   * null for a tombstone. Skips records without a key or with an unreadable value.
   */
  public static <V> void readAll(
      KafkaSettings kafka, Topic<?, V> topic, BiConsumer<String, V> action) {
    readEverywhere(kafka, topic, (record, value) -> action.accept(record.key(), value));
  }

  /** Does what {@link #readAll} does, with the records' partitions, offsets and headers. */
  public static <V> void readEverywhere(
      KafkaSettings kafka, Topic<?, V> topic, RecordAction<V> action) {
    withConsumer(
        kafka,
        consumer -> {
          List<TopicPartition> partitions =
              consumer.partitionsFor(topic.name()).stream()
                  .map((PartitionInfo info) -> new TopicPartition(info.topic(), info.partition()))
                  .toList();
          read(consumer, topic, partitions, action);
        });
  }

  /** Receives a record and its value. */
  public interface RecordAction<V> {
    /** Receives a record; the value is null for a tombstone. */
    void accept(ConsumerRecord<String, byte[]> record, V value);
  }

  /** Does what {@link #readEverywhere} does, for a topic of one partition. */
  public static <V> void readRecords(
      KafkaSettings kafka, Topic<?, V> topic, RecordAction<V> action) {
    withConsumer(kafka, consumer -> readRecords(consumer, topic, action));
  }

  /**
   * Does what {@link #readAll} does for a topic of one partition, with a consumer of committed
   * records.
   */
  public static <V> void readRecords(
      Consumer<String, byte[]> consumer, Topic<?, V> topic, RecordAction<V> action) {
    read(consumer, topic, List.of(new TopicPartition(topic.name(), 0)), action);
  }

  /**
   * The newest value of each key of a compacted topic of one partition, in the order of their
   * records; only these are decoded. Keys without a value, and unreadable values, are left out.
   *
   * @param isWanted whether a key's value is asked for
   */
  public static <V> Map<String, V> readNewest(
      Consumer<String, byte[]> consumer, Topic<?, V> topic, Predicate<String> isWanted) {
    List<TopicPartition> partition = List.of(new TopicPartition(topic.name(), 0));
    consumer.assign(partition);
    consumer.seekToBeginning(partition);
    Map<String, ConsumerRecord<String, byte[]>> newest = new LinkedHashMap<>();
    readToEnd(
        consumer,
        partition,
        record -> {
          if (record.key() != null && isWanted.test(record.key())) {
            newest.remove(record.key());
            newest.put(record.key(), record);
          }
        });
    Map<String, V> values = new LinkedHashMap<>();
    newest.forEach(
        (key, record) -> {
          V value = decoded(topic, record);
          if (value != null) {
            values.put(key, value);
          }
        });
    return values;
  }

  /** Does what {@link #readAll} does, for one partition. */
  public static <V> void read(
      KafkaSettings kafka, Topic<?, V> topic, int partition, BiConsumer<String, V> action) {
    withConsumer(
        kafka,
        consumer ->
            read(
                consumer,
                topic,
                List.of(new TopicPartition(topic.name(), partition)),
                (record, value) -> action.accept(record.key(), value)));
  }

  /**
   * Lends a consumer of committed records with text keys and without a group. Closing it does not
   * wait for the fetch that it has begun beyond the end.
   */
  public static void withConsumer(
      KafkaSettings kafka, java.util.function.Consumer<Consumer<String, byte[]>> action) {
    Consumer<String, byte[]> consumer = kafka.newTextKeyReader();
    try {
      action.accept(consumer);
    } finally {
      consumer.close(CloseOptions.timeout(Duration.ZERO));
    }
  }

  private static <V> V decoded(Topic<?, V> topic, ConsumerRecord<String, byte[]> record) {
    try {
      return topic.value().deserializer().deserialize(topic.name(), record.value());
    } catch (SerializationException e) {
      LOG.debug("{} offset {} cannot be read", topic.name(), record.offset(), e);
      return null;
    }
  }

  private static <V> void read(
      Consumer<String, byte[]> consumer,
      Topic<?, V> topic,
      List<TopicPartition> partitions,
      RecordAction<V> action) {
    consumer.assign(partitions);
    consumer.seekToBeginning(partitions);
    readToEnd(
        consumer,
        partitions,
        record -> {
          if (record.key() != null) {
            try {
              action.accept(
                  record, topic.value().deserializer().deserialize(topic.name(), record.value()));
            } catch (SerializationException e) {
              LOG.debug("{} offset {} cannot be read", topic.name(), record.offset(), e);
            }
          }
        });
  }

  /**
   * Reads assigned partitions from where the consumer is to their present end, and hands each
   * record over. A deleted front, gaps that log compaction or aborted transactions have left, the
   * marker of a transaction at the end and an empty partition do not hold it up. To a consumer of
   * committed records, the end is where the first open transaction begins.
   */
  public static <K, V> void readToEnd(
      Consumer<K, V> consumer,
      Collection<TopicPartition> partitions,
      java.util.function.Consumer<ConsumerRecord<K, V>> action) {
    readTo(
        consumer, consumer.endOffsets(partitions), () -> false, records -> records.forEach(action));
  }

  /**
   * Reads assigned partitions from where the consumer is to given offsets, and hands over what each
   * poll returns. It waits for open transactions that begin before these offsets.
   *
   * @param ends offset after the last record to read, by partition; records behind it may be handed
   *     over too
   * @param cancelled asked between polls; ends the reading early
   */
  public static <K, V> void readTo(
      Consumer<K, V> consumer,
      Map<TopicPartition, Long> ends,
      BooleanSupplier cancelled,
      java.util.function.Consumer<ConsumerRecords<K, V>> action) {
    while (!cancelled.getAsBoolean()
        && ends.entrySet().stream()
            .anyMatch(end -> consumer.position(end.getKey()) < end.getValue())) {
      action.accept(consumer.poll(POLL));
    }
  }

  /** A record's value; empty, and logged, for a tombstone or an unreadable value. */
  public static <V> Optional<V> value(Topic<?, V> topic, ConsumerRecord<byte[], byte[]> record) {
    try {
      return Optional.ofNullable(
          topic.value().deserializer().deserialize(record.topic(), record.value()));
    } catch (SerializationException e) {
      LOG.warn("{} offset {} is skipped: {}", record.topic(), record.offset(), e.getMessage());
      return Optional.empty();
    }
  }
}
