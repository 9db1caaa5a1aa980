package io.fisherstreams.bench;

import io.fisherstreams.kafka.KafkaSettings;
import java.time.Duration;
import java.util.Collection;
import java.util.Map;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** A consumer that polls and does nothing else: what reading a topic costs without a stage. */
final class PollLoop {
  private PollLoop() {}

  /** The present ends of partitions. */
  static Map<TopicPartition, Long> ends(
      KafkaSettings kafka, Collection<TopicPartition> partitions) {
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      return consumer.endOffsets(partitions);
    }
  }

  /**
   * What a loop has done.
   *
   * @param records how many it got
   * @param nanos when it had the last one, by {@link System#nanoTime}; closing comes after
   */
  record Polled(long records, long nanos) {}

  /** Polls partitions from {@code starts} to {@code ends}. */
  static Polled poll(
      Supplier<Consumer<byte[], byte[]>> consumers,
      Map<TopicPartition, Long> starts,
      Map<TopicPartition, Long> ends) {
    long count = 0;
    long bytes = 0;
    long nanos;
    try (Consumer<byte[], byte[]> consumer = consumers.get()) {
      consumer.assign(starts.keySet());
      starts.forEach(consumer::seek);
      while (starts.keySet().stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          count++;
          bytes += record.value().length;
        }
      }
      nanos = System.nanoTime();
    }
    if (bytes == 0) {
      throw new IllegalStateException("nothing was polled");
    }
    return new Polled(count, nanos);
  }
}
