package io.fisherstreams.oneshot;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.PoolTopics;
import java.time.Duration;
import java.util.List;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** Watches the dead letters of a pool in which every record must be valid. */
public final class DeadLetterWatch implements AutoCloseable {
  private final Consumer<byte[], byte[]> consumer;

  public DeadLetterWatch(KafkaSettings kafka, PoolTopics topics) {
    TopicPartition partition = new TopicPartition(topics.deadLetters().name(), 0);
    consumer = kafka.newConsumer();
    consumer.assign(List.of(partition));
    consumer.seekToBeginning(List.of(partition));
  }

  /** Waits up to {@code wait}; throws {@link InvalidInput} when a stage rejected a record. */
  public void requireNone(Duration wait) {
    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(wait)) {
      throw new InvalidInput(
          "the pipeline rejected a record: " + DeadLetters.reason(record.headers()));
    }
  }

  @Override
  public void close() {
    consumer.close();
  }
}
