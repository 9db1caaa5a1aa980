package io.fisherstreams.coordinator;

import io.fisherstreams.coordinator.Models.ShardSums;
import io.fisherstreams.coordinator.Models.Sums;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.kafka.StageDriver;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.io.TempDir;

/** A coordinator under Kafka's test driver, and a pool whose models and partitions are played. */
abstract class CoordinatorFixture {
  static final int PARTITIONS = 3;
  static final ShardSums SUMS = (parameter, shard) -> new Sums(3, 9);
  private static final Duration QUIET = Duration.ofMillis(300);

  @TempDir private Path directory;

  final PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
  List<Long> mergedEnds = List.of(10L, 20L, 30L);
  final List<Long> cuts = new ArrayList<>();
  Instant wallClock = Instant.parse("2026-01-01T12:00:00Z");
  StageDriver stage;
  private int drivers;

  @BeforeEach
  void start() {
    start(Set.of());
  }

  void start(Set<String> await) {
    start(await, 10, Duration.ZERO);
  }

  void start(ShareLimits limits) {
    start(Set.of(), 10, Duration.ZERO, limits);
  }

  void start(Set<String> await, int keep, Duration keepFor) {
    start(await, keep, keepFor, ShareLimits.NONE);
  }

  private void start(Set<String> await, int keep, Duration keepFor, ShareLimits limits) {
    stage =
        new StageDriver(
            directory.resolve("driver" + drivers++),
            () ->
                new CoordinatorTopology(
                        topics,
                        PARTITIONS,
                        new PlanPolicy(
                            Duration.ofMillis(200),
                            Duration.ofSeconds(2),
                            keep,
                            keepFor,
                            await,
                            limits),
                        mergedTensors,
                        FailedRecords.inMemory(),
                        () -> wallClock)
                    .get());
  }

  private final MergedTensorLog mergedTensors =
      new MergedTensorLog() {
        @Override
        public List<Long> endOffsets() {
          return mergedEnds;
        }

        @Override
        public void deleteBefore(List<Long> offsets) {
          cuts.add(offsets.get(0));
        }
      };

  @AfterEach
  void close() {
    stage.close();
  }

  void announce(ModelManifest manifest) {
    stage.pipe(topics.models(), manifest.getModel(), manifest);
  }

  void report(int partition, ModelProgress progress) {
    stage.pipe(
        topics.progress(),
        progress.getModel() + "@" + progress.getVersion() + "/" + partition,
        new PartitionProgress(partition, progress));
  }

  void arrive(ModelManifest manifest) {
    announce(manifest);
    Models.complete(manifest, PARTITIONS, 1, SUMS).forEach(this::report);
  }

  void arrive(String model, long version) {
    arrive(Models.model(model, version).build());
  }

  void arriveBase() {
    arrive(Models.base(1, Models.method(true, 1e-6)));
  }

  void withdraw(String model) {
    stage.pipe(topics.models(), model, null);
  }

  void done(int partition, long release) {
    stage.pipe(
        topics.progress(),
        "release/" + partition,
        new PartitionProgress(
            partition,
            new ReleaseProgress(release, 2L + partition, -1L << (60 + partition), 5L, 0L, null)));
  }

  void allDone(long release) {
    for (int partition = 0; partition < PARTITIONS; partition++) {
      done(partition, release);
    }
  }

  List<MergePlan> plans() {
    stage.advance(QUIET);
    stage.advance(QUIET); // the driver fires a timer once per call
    return stage.values(topics.mergePlans());
  }

  static List<String> models(MergePlan plan) {
    return plan.getModels().stream().map(m -> m.getModel() + "@" + m.getVersion()).toList();
  }

  List<Release> releases() {
    return stage.values(topics.releases());
  }
}
