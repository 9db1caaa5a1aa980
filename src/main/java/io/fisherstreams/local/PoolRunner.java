package io.fisherstreams.local;

import io.fisherstreams.coordinator.CoordinatorStage;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.StageInstance;
import io.fisherstreams.kafka.StageRunner;
import io.fisherstreams.kafka.StreamsOptions;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.merge.MergeStage;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import java.nio.file.Path;
import java.util.Map;

/**
 * A pool's merge stage and coordinator in this process, one instance of each, against any Kafka.
 */
public final class PoolRunner implements AutoCloseable {
  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final StageRunner merge;
  private final StageRunner coordinator;

  private PoolRunner(
      KafkaSettings kafka, PoolTopics topics, StageRunner merge, StageRunner coordinator) {
    this.kafka = kafka;
    this.topics = topics;
    this.merge = merge;
    this.coordinator = coordinator;
  }

  /** Starts both stages with the merge stage's standard options. */
  public static PoolRunner start(
      KafkaSettings kafka, PoolTopics topics, Path directory, int threads, PlanPolicy policy) {
    return start(kafka, topics, directory, threads, MergeOptions.standard(), policy);
  }

  /**
   * Starts both stages; the pool's topics exist.
   *
   * @param directory where the stages keep their state
   * @param threads stream threads of the merge stage
   * @param options of the merge stage
   */
  public static PoolRunner start(
      KafkaSettings kafka,
      PoolTopics topics,
      Path directory,
      int threads,
      MergeOptions options,
      PlanPolicy policy) {
    StageRunner merge =
        MergeStage.create(
            kafka,
            topics,
            StreamsOptions.local(directory.resolve(Stage.MERGE.text()), threads),
            options);
    try {
      StageRunner coordinator =
          CoordinatorStage.create(
              kafka,
              topics,
              StreamsOptions.local(directory.resolve(Stage.COORDINATOR.text()), 1),
              policy);
      PoolRunner runner = new PoolRunner(kafka, topics, merge, coordinator);
      merge.start();
      coordinator.start();
      return runner;
    } catch (RuntimeException e) {
      merge.close();
      throw e;
    }
  }

  /** The Kafka that the stages use. */
  public KafkaSettings kafka() {
    return kafka;
  }

  /** The pool's topics. */
  public PoolTopics topics() {
    return topics;
  }

  /** Both stages; they stay this object's. */
  public Map<Stage, StageInstance> stages() {
    return Map.of(Stage.MERGE, merge, Stage.COORDINATOR, coordinator);
  }

  /** Throws when a stage has ended, with the cause. */
  public void requireRunning() {
    merge.requireRunning(Stage.MERGE);
    coordinator.requireRunning(Stage.COORDINATOR);
  }

  @Override
  public void close() {
    try {
      coordinator.close();
    } finally {
      merge.close();
    }
  }
}
