package io.fisherstreams.simulate;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.merge.LocalPayloads;
import io.fisherstreams.merge.MergeTopology;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.KeptSet;
import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/**
 * One partition of the merge stage; all partitions of a pool are alike. It runs the stage's own
 * code with as many shards as one partition has, each of one element.
 */
final class PartitionSimulation implements AutoCloseable {
  private static final int PARTITION = 0;

  private final PoolTopics topics = new PoolTopics("simulation", SchemaRegistry.inMemory());
  private final Map<String, ModelManifest> manifests = new HashMap<>();
  private final List<TensorInfo> tensors = new ArrayList<>();
  private final PayloadStore payloads;
  private final SimulatedStage stage;
  private long released;
  private long merged;

  PartitionSimulation(Scale scale, Path directory) {
    for (int i = 0; tensors.size() < scale.shardsPerPartition(); i++) {
      String name = "parameter-" + i;
      if (Shard.partition(name, 0, scale.partitions()) == PARTITION) {
        tensors.add(new TensorInfo(name, DType.F32, List.of(1L)));
      }
    }
    payloads = PayloadStore.open(directory);
    stage =
        new SimulatedStage(topics, PARTITION, 1, (topic, value) -> listen(topic, value))
            .store(MergeTopology.MANIFESTS, ModelManifest.class)
            .store(MergeTopology.SHARDS, ShardState.class)
            .store(MergeTopology.FOLDED, FoldedBatches.class)
            .store(MergeTopology.COUNTS, ModelCounts.class)
            .store(MergeTopology.PLANS, PlanState.class)
            .store(MergeTopology.SUMS, KeptSet.class);
    stage.start(
        new MergeTopology(
                topics,
                scale.partitions(),
                new Catalog(),
                payloads,
                new NoLog(),
                LocalPayloads.ALL,
                FailedRecords.inMemory(),
                MergeKernel.java())
            .processor());
    ModelManifest base = Manifests.base("base", 1, tensors);
    manifests.put("base", base);
    checkpoint(base);
  }

  private final class Catalog implements ModelCatalog {
    @Override
    public Optional<ModelManifest> latest(String model) {
      return Optional.ofNullable(manifests.get(model));
    }

    @Override
    public void sync() {}

    @Override
    public void refresh() {}
  }

  /** Never read, because nothing is lost here. */
  private static final class NoLog implements PayloadLog {
    @Override
    public Cursor open(String topic, int partition, long offset) {
      throw new IllegalStateException(
          "a payload of " + topic + " is read again, but none was lost");
    }
  }

  private void listen(String topic, Object value) {
    if (topic.equals(topics.mergedTensors().name())) {
      merged++;
    } else if (value instanceof PartitionProgress progress
        && progress.getBody() instanceof ReleaseProgress done) {
      released = done.getRelease();
    }
  }

  private static ByteBuffer element(float value) {
    return ByteBuffer.allocate(Float.BYTES).order(ByteOrder.LITTLE_ENDIAN).putFloat(0, value);
  }

  private void checkpoint(ModelManifest manifest) {
    String model = manifest.getModel();
    for (TensorInfo tensor : tensors) {
      stage.process(
          topics.checkpointShards(),
          ShardKey.of(new ModelVersion(model, 1), new Shard(tensor, 0)).toString(),
          new CheckpointShard(model, 1L, tensor.name(), 0, element(0.5f)));
    }
  }

  /** All records of one more model arrive in a pool of so many models. */
  Row arrive(int models) {
    String model = String.format(Locale.ROOT, "model-%04d", models + 1);
    ModelManifest manifest =
        Manifests.fineTuned(model, 1, tensors, MergeSet.of(tensors, List.of()), false).build();
    manifests.put(model, manifest);
    return measured(
        models + 1,
        2L * tensors.size(),
        () -> {
          checkpoint(manifest);
          for (TensorInfo tensor : tensors) {
            stage.process(
                topics.gradientBatches(),
                ShardKey.of(new ModelVersion(model, 1), new Shard(tensor, 0), "fisher", 0)
                    .toString(),
                new GradientBatch(
                    model,
                    1L,
                    tensor.name(),
                    0,
                    "fisher",
                    0L,
                    1L,
                    Encoding.MEAN_SQUARE,
                    ByteBuffer.allocate(0),
                    element(0.25f)));
          }
          stage.advance(1); // reports
        });
  }

  /** A plan of all models is carried out. */
  Row carryOut(int models) {
    List<PlannedModel> planned = new ArrayList<>();
    for (int i = 1; i <= models; i++) {
      planned.add(
          new PlannedModel(
              String.format(Locale.ROOT, "model-%04d", i),
              1L,
              1,
              1.0 / models,
              List.of(),
              1.0,
              1.0,
              1L,
              1.0,
              1.0 / models,
              0.0));
    }
    MergePlan plan =
        new MergePlan(
            released + 1,
            Instant.EPOCH,
            "simulated",
            "base",
            1L,
            manifests.get("base").getMethod(),
            planned,
            List.of(),
            0L,
            false,
            List.of(),
            List.of(),
            1.0,
            false);
    merged = 0;
    Row row =
        measured(
            models,
            1,
            () -> {
              stage.process(topics.mergePlans(), "plan", plan);
              while (released < plan.getRelease()) {
                stage.advance(1);
              }
            });
    if (merged != tensors.size()) {
      throw new IllegalStateException(merged + " shards merged, expected " + tensors.size());
    }
    return row;
  }

  private Row measured(int models, long received, Runnable work) {
    stage.output().clear();
    stage.changelog().clear();
    long start = System.nanoTime();
    work.run();
    return new Row(
        models,
        (System.nanoTime() - start) / 1e9,
        received,
        stage.output().messages(),
        stage.output().bytes(),
        stage.changelog().bytes());
  }

  @Override
  public void close() {
    stage.close();
    payloads.close();
  }
}
