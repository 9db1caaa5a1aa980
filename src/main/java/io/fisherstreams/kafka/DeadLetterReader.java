package io.fisherstreams.kafka;

import io.fisherstreams.record.DeadLetter;
import io.fisherstreams.record.PoolTopics;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Reads a pool's dead letters. */
public final class DeadLetterReader {
  private final KafkaSettings kafka;
  private final TopicPartition partition;

  /** Reads one pool's dead letters. */
  public DeadLetterReader(KafkaSettings kafka, PoolTopics topics) {
    this.kafka = kafka;
    partition = new TopicPartition(topics.deadLetters().name(), 0);
  }

  /** Hands every dead letter over, oldest first. */
  public void all(java.util.function.Consumer<DeadLetter> action) {
    try (Consumer<byte[], byte[]> consumer = consumer()) {
      consumer.seekToBeginning(List.of(partition));
      TopicReader.readToEnd(
          consumer, List.of(partition), record -> action.accept(DeadLetter.of(record)));
    }
  }

  /** The dead letter at an offset of {@code dead-letters}, if there is one. */
  public Optional<DeadLetter> find(long offset) {
    try (Consumer<byte[], byte[]> consumer = consumer()) {
      long begin = consumer.beginningOffsets(List.of(partition)).get(partition);
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      if (offset < begin || offset >= end) {
        return Optional.empty();
      }
      consumer.seek(partition, offset);
      AtomicReference<DeadLetter> found = new AtomicReference<>();
      TopicReader.readTo(
          consumer,
          Map.of(partition, offset + 1),
          () -> false,
          records -> {
            for (ConsumerRecord<byte[], byte[]> record : records) {
              if (record.offset() == offset) {
                found.set(DeadLetter.of(record));
              }
            }
          });
      return Optional.ofNullable(found.get());
    }
  }

  private Consumer<byte[], byte[]> consumer() {
    Consumer<byte[], byte[]> consumer = kafka.newConsumer();
    consumer.assign(List.of(partition));
    return consumer;
  }
}
