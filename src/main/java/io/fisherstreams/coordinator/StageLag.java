package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/** How many records of its input topics a stage has not processed yet. */
public final class StageLag {
  private StageLag() {}

  /**
   * Records that a stage's consumer group has not processed yet; 0 while it has committed nothing.
   */
  public static long of(KafkaSettings kafka, String group) {
    try (Admin admin = kafka.admin()) {
      return of(admin, group);
    }
  }

  /** Does what {@link #of(KafkaSettings, String)} does, with the caller's client. */
  public static long of(Admin admin, String group) {
    return lag(admin, group, List.of());
  }

  /**
   * Examples that the gradient stage has not processed yet: before its first claim it has committed
   * nothing, and all are to be processed.
   *
   * @param partitions of the topic
   */
  public static long ofGradients(Admin admin, PoolTopics topics, int partitions) {
    List<TopicPartition> examples =
        IntStream.range(0, partitions)
            .mapToObj(p -> new TopicPartition(topics.examples().name(), p))
            .toList();
    return lag(admin, Stage.GRADIENT.group(topics.pool()), examples);
  }

  private static long lag(Admin admin, String group, List<TopicPartition> all) {
    try {
      Map<TopicPartition, OffsetAndMetadata> committed =
          admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
      Map<TopicPartition, Long> done = Offsets.beginnings(admin, all);
      committed.forEach((partition, offset) -> done.put(partition, offset.offset()));
      Map<TopicPartition, Long> ends = Offsets.ends(admin, done.keySet());
      return done.entrySet().stream()
          .mapToLong(entry -> Math.max(0, ends.get(entry.getKey()) - entry.getValue()))
          .sum();
    } catch (ExecutionException e) {
      throw new KafkaException("cannot read the lag of " + group, e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new KafkaException("interrupted", e);
    }
  }
}
