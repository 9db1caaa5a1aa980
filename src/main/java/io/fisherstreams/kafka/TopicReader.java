package io.fisherstreams.kafka;

import io.fisherstreams.record.Topic;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.BiConsumer;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.PartitionInfo;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.SerializationException;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/** Reads a small topic from its beginning to its present end. */
public final class TopicReader {
  private static final Logger LOG = LoggerFactory.getLogger(TopicReader.class);

  private TopicReader() {}

  /**
   * Hands every committed record over, in the order of its partition, value null for a tombstone.
   */
  public static <V> void readAll(
      KafkaSettings kafka, Topic<?, V> topic, BiConsumer<String, V> consumer) {
    try (Consumer<String, byte[]> reader = kafka.newTextKeyConsumer()) {
      List<TopicPartition> partitions =
          reader.partitionsFor(topic.name()).stream()
              .map((PartitionInfo info) -> new TopicPartition(info.topic(), info.partition()))
              .toList();
      read(reader, topic, partitions, consumer);
    }
  }

  /** The same of one partition. */
  public static <V> void read(
      KafkaSettings kafka, Topic<String, V> topic, int partition, BiConsumer<String, V> consumer) {
    try (Consumer<String, byte[]> reader = kafka.newTextKeyConsumer()) {
      read(reader, topic, List.of(new TopicPartition(topic.name(), partition)), consumer);
    }
  }

  /** A record's value; empty, and logged, for a tombstone or what is none of the topic's. */
  public static <V> Optional<V> value(Topic<?, V> topic, ConsumerRecord<byte[], byte[]> record) {
    try {
      return Optional.ofNullable(
          topic.value().deserializer().deserialize(record.topic(), record.value()));
    } catch (SerializationException e) {
      LOG.warn("{} offset {} is passed over: {}", record.topic(), record.offset(), e.getMessage());
      return Optional.empty();
    }
  }

  private static <V> void read(
      Consumer<String, byte[]> reader,
      Topic<?, V> topic,
      List<TopicPartition> partitions,
      BiConsumer<String, V> consumer) {
    reader.assign(partitions);
    reader.seekToBeginning(partitions);
    Map<TopicPartition, Long> ends = reader.endOffsets(partitions);
    while (partitions.stream().anyMatch(p -> reader.position(p) < ends.get(p))) {
      for (ConsumerRecord<String, byte[]> record : reader.poll(Duration.ofMillis(100))) {
        if (record.key() != null) {
          try {
            consumer.accept(
                record.key(),
                topic.value().deserializer().deserialize(topic.name(), record.value()));
          } catch (SerializationException e) {
            LOG.debug("{} offset {} cannot be read", topic.name(), record.offset(), e);
          }
        }
      }
    }
  }
}
