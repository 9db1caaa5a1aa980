package io.fisherstreams.simulate;

import io.fisherstreams.coordinator.CoordinatorTopology;
import io.fisherstreams.coordinator.MergedTensorLog;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.coordinator.state.RetiredVersion;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.SplittableRandom;

/**
 * The coordinator while models arrive one after another. The merge stage's partitions are
 * simulated: each reports twice on every model, half way and complete, and then on the plan.
 */
final class CoordinatorSimulation {
  private final Scale scale;
  private final PoolTopics topics = new PoolTopics("simulation", SchemaRegistry.inMemory());
  private final SplittableRandom random = new SplittableRandom(1);
  private final List<TensorInfo> tensors = new ArrayList<>();
  // Shards of each tensor, by partition.
  private final int[][] counts;
  private final SimulatedStage stage;
  private MergePlan plan;
  private Release release;
  private long received;

  CoordinatorSimulation(Scale scale) {
    this.scale = scale;
    for (int i = 0; i < scale.parameters(); i++) {
      tensors.add(
          new TensorInfo(
              "model.layers." + i + ".weight",
              DType.BF16,
              List.of((long) scale.shardsOf(i) * Shard.ELEMENTS)));
    }
    counts = new int[scale.partitions()][tensors.size()];
    for (int i = 0; i < tensors.size(); i++) {
      for (int shard = 0; shard < Shard.count(tensors.get(i)); shard++) {
        counts[Shard.partition(tensors.get(i).name(), shard, scale.partitions())][i]++;
      }
    }
    stage =
        new SimulatedStage(topics, 0, scale.partitions(), (topic, value) -> listen(value))
            .store(CoordinatorTopology.MANIFESTS, ModelManifest.class)
            .store(CoordinatorTopology.PROGRESS, PartitionProgress.class)
            .store(CoordinatorTopology.STATE, CoordinatorState.class)
            .store(CoordinatorTopology.ALIASES, Alias.class)
            .store(CoordinatorTopology.RELEASES, Release.class)
            .store(CoordinatorTopology.RETIRED, RetiredVersion.class);
    stage.start(
        new CoordinatorTopology(
                topics,
                scale.partitions(),
                PlanPolicy.standard(),
                new NoTensors(scale),
                FailedRecords.inMemory())
            .processor());
    ModelManifest base = Manifests.base("base", 1, tensors);
    stage.process(topics.models(), "base", base);
    for (int p = 0; p < scale.partitions(); p++) {
      report(base, p, 0, shards(p), 0, List.of());
    }
  }

  private record NoTensors(Scale scale) implements MergedTensorLog {
    @Override
    public List<Long> endOffsets() {
      return Collections.nCopies(scale.partitions(), 0L);
    }

    @Override
    public void deleteBefore(List<Long> offsets) {}
  }

  private void listen(Object value) {
    if (value instanceof MergePlan made) {
      plan = made;
    } else if (value instanceof Release announced) {
      release = announced;
    }
  }

  private int shards(int partition) {
    int sum = 0;
    for (int count : counts[partition]) {
      sum += count;
    }
    return sum;
  }

  /** One more model arrives in a pool of so many models. */
  Row arrive(int models) {
    String name = String.format(Locale.ROOT, "model-%04d", models + 1);
    ModelManifest manifest =
        Manifests.fineTuned(name, 1, tensors, MergeSet.of(tensors, List.of()), false).build();
    List<List<FisherSums>> sums = new ArrayList<>();
    for (int p = 0; p < scale.partitions(); p++) {
      sums.add(sums(p));
    }
    stage.output().clear();
    stage.changelog().clear();
    received = 0;
    long start = System.nanoTime();
    stage.process(topics.models(), name, manifest);
    received++;
    for (int p = 0; p < scale.partitions(); p++) {
      report(manifest, p, shards(p), shards(p) / 2, 0, List.of());
    }
    for (int p = 0; p < scale.partitions(); p++) {
      report(manifest, p, shards(p), shards(p), 1, sums.get(p));
    }
    stage.advance(PlanPolicy.standard().quiet().toMillis());
    for (int p = 0; p < scale.partitions(); p++) {
      stage.process(
          topics.progress(),
          "release/" + p,
          new PartitionProgress(
              p, new ReleaseProgress(plan.getRelease(), (long) shards(p), 0L, 0L, 0L, null)));
      received++;
    }
    double seconds = (System.nanoTime() - start) / 1e9;
    if (release == null
        || release.getStatus() != ReleaseStatus.COMPLETE
        || release.getPlan().getModels().size() != models + 1
        || release.getShards() != scale.shards()) {
      throw new IllegalStateException("the arrival of " + name + " made " + release);
    }
    return new Row(
        models + 1,
        seconds,
        received,
        stage.output().messages(),
        stage.output().bytes(),
        stage.changelog().bytes());
  }

  /** The newest plan, which merges all models that have arrived. */
  MergePlan plan() {
    return plan;
  }

  private void report(
      ModelManifest manifest,
      int partition,
      int fisherShards,
      int present,
      int epoch,
      List<FisherSums> sums) {
    stage.process(
        topics.progress(),
        manifest.getModel() + "@1/" + partition,
        new PartitionProgress(
            partition,
            new ModelProgress(
                manifest.getModel(),
                1L,
                shards(partition),
                present,
                fisherShards,
                epoch,
                0,
                List.of(),
                sums,
                0,
                1)));
    received++;
  }

  /**
   * Sums as a partition reports them: each of as many float64 numbers as the partition has shards.
   */
  private List<FisherSums> sums(int partition) {
    List<FisherSums> sums = new ArrayList<>();
    for (int i = 0; i < tensors.size(); i++) {
      if (counts[partition][i] > 0) {
        BigDecimal total = BigDecimal.ZERO;
        BigDecimal squares = BigDecimal.ZERO;
        for (int shard = 0; shard < counts[partition][i]; shard++) {
          total = total.add(new BigDecimal(random.nextDouble()));
          squares = squares.add(new BigDecimal(random.nextDouble() * 1e-3));
        }
        sums.add(new FisherSums(tensors.get(i).name(), total.toString(), squares.toString()));
      }
    }
    return sums;
  }
}
