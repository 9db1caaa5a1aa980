package io.fisherstreams.bench;

import io.fisherstreams.kafka.KafkaSettings;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.common.TopicPartition;

/** A consumer that only polls: the cost of reading a topic without a stage. */
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
   * The result of a loop.
   *
   * @param records how many it polled
   * @param nanos when it had polled the last one, by {@link System#nanoTime}; closing is not
   *     included
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

  /**
   * Seconds until the loops of several threads, each with its share of the partitions, have polled
   * all records.
   */
  static double seconds(
      Supplier<Consumer<byte[], byte[]>> consumers,
      int threads,
      Map<TopicPartition, Long> starts,
      Map<TopicPartition, Long> ends,
      long records)
      throws Exception {
    ExecutorService executor = Executors.newFixedThreadPool(threads);
    try {
      long start = System.nanoTime();
      List<Future<Polled>> loops = new ArrayList<>();
      for (int thread = 0; thread < threads; thread++) {
        Map<TopicPartition, Long> mine = new HashMap<>(starts);
        int remainder = thread;
        mine.keySet().removeIf(partition -> partition.partition() % threads != remainder);
        loops.add(executor.submit((Callable<Polled>) () -> poll(consumers, mine, ends)));
      }
      long polled = 0;
      long end = start;
      for (Future<Polled> loop : loops) {
        polled += loop.get().records();
        end = Math.max(end, loop.get().nanos());
      }
      if (polled != records) {
        throw new IllegalStateException("polled " + polled + " of " + records + " records");
      }
      return (end - start) / 1e9;
    } finally {
      executor.shutdown();
    }
  }
}
