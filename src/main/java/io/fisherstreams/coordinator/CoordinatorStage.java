package io.fisherstreams.coordinator;

import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RocksDbMemory;
import io.fisherstreams.record.StageRunner;
import io.fisherstreams.record.StreamsOptions;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.common.TopicPartition;

/** The coordinator on a real cluster. */
public final class CoordinatorStage {
  private CoordinatorStage() {}

  /** An instance that is not started; refuses topics that cannot serve. */
  public static StageRunner create(
      KafkaSettings kafka, PoolTopics topics, StreamsOptions options, PlanPolicy policy) {
    int partitions;
    try (Admin admin = kafka.admin()) {
      partitions = new PoolAdmin(admin, topics).check();
    }
    Consumer<byte[], byte[]> ends = kafka.newConsumer();
    List<TopicPartition> merged = new ArrayList<>();
    for (int p = 0; p < partitions; p++) {
      merged.add(new TopicPartition(topics.mergedTensors().name(), p));
    }
    ends.assign(merged);
    RocksDbMemory memory = new RocksDbMemory();
    CoordinatorTopology topology =
        new CoordinatorTopology(
            topics,
            partitions,
            policy,
            () -> {
              Map<TopicPartition, Long> offsets = ends.endOffsets(merged);
              return merged.stream().map(offsets::get).toList();
            });
    return new StageRunner(
        "coordinator",
        topology.get(),
        kafka.streams(topics, "coordinator", options, memory),
        List.of(ends, memory));
  }
}
