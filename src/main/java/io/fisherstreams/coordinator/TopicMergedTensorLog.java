package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.record.PoolTopics;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.TopicPartition;

/**
 * The ends of {@code merged-tensors} on a real cluster, open transactions included. The last stable
 * offset would not do: the transaction of an instance that was killed holds it back for up to 20
 * seconds while its successor completes the release behind it.
 */
final class TopicMergedTensorLog implements MergedTensorLog, AutoCloseable {
  // not the minute that a call waits for brokers that are gone
  private static final Duration CLOSE_WITHIN = Duration.ofSeconds(5);

  private final Admin admin;
  private final List<TopicPartition> partitions;

  TopicMergedTensorLog(KafkaSettings kafka, PoolTopics topics, int partitions) {
    this.admin = kafka.admin();
    this.partitions =
        IntStream.range(0, partitions)
            .mapToObj(number -> new TopicPartition(topics.mergedTensors().name(), number))
            .toList();
  }

  @Override
  public List<Long> endOffsets() {
    Map<TopicPartition, Long> ends = Offsets.ends(admin, partitions);
    return partitions.stream().map(ends::get).toList();
  }

  @Override
  public void deleteBefore(List<Long> offsets) {
    Map<TopicPartition, Long> first = new HashMap<>();
    partitions.forEach(partition -> first.put(partition, offsets.get(partition.partition())));
    Offsets.deleteBefore(admin, first);
  }

  @Override
  public void close() {
    admin.close(CLOSE_WITHIN);
  }
}
