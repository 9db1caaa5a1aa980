package io.fisherstreams.coordinator;

import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.RocksDbMemory;
import io.fisherstreams.kafka.StageRunner;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.util.List;
import org.apache.kafka.clients.admin.Admin;

/** The coordinator on a real cluster. */
public final class CoordinatorStage {
  private CoordinatorStage() {}

  /** An instance that is not started; rejects a pool whose topics are missing or do not fit. */
  public static StageRunner create(
      KafkaSettings kafka, PoolTopics topics, StreamsOptions options, PlanPolicy policy) {
    int partitions;
    try (Admin admin = kafka.admin()) {
      partitions = new PoolAdmin(admin, topics).check();
    }
    TopicMergedTensorLog ends = new TopicMergedTensorLog(kafka, topics, partitions);
    RocksDbMemory memory = new RocksDbMemory(Stage.COORDINATOR);
    FailedRecords failures = FailedRecords.in(options.stateDirectory());
    CoordinatorTopology topology =
        new CoordinatorTopology(topics, partitions, policy, ends, failures);
    return new StageRunner(
        Stage.COORDINATOR.text(),
        topology.get(),
        kafka.streams(topics, Stage.COORDINATOR, options, memory),
        failures,
        List.of(ends, memory));
  }
}
