package io.fisherstreams.estimation;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.FisherEstimation;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.gradient.model.SquaredSums.SparseRun;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiConsumer;

/**
 * A model in native memory, with the sums of the squared gradients of a claim. Owns native memory
 * until {@link #close()}. Not for use by several threads.
 */
final class LoadedModel implements AutoCloseable {
  private final EstimatedModel model;
  private final ModelRuntime runtime;
  private final FisherEstimation estimation;
  private final SquaredSums sums;
  private final List<Shard> shards = new ArrayList<>();
  private final float[] values = new float[Shard.ELEMENTS];

  private LoadedModel(EstimatedModel model, ModelRuntime runtime) {
    this.model = model;
    this.runtime = runtime;
    this.estimation = new FisherEstimation(runtime, model.estimator());
    for (TensorInfo tensor : ManifestTensors.merged(model.manifest())) {
      for (int index = 0; index < Shard.count(tensor); index++) {
        shards.add(new Shard(tensor, index));
      }
    }
    this.sums = new SquaredSums(runtime);
  }

  /**
   * Loads a model.
   *
   * @param file its tensors
   * @param options with the operator's modules
   * @throws InvalidInput when the tensors are not what the config describes, or a merged parameter
   *     has no gradient
   */
  static LoadedModel load(EstimatedModel model, Path file, GradientOptions options) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      Set<String> frozen = new HashSet<>(model.manifest().getEstimation().getFrozen());
      String origin = "model " + model.version();
      TensorSource tensors = TensorSource.of(checkpoint).named(origin);
      ModelRuntime runtime =
          runtime(
              model.manifest(),
              tensors.only(name -> !frozen.contains(name)),
              frozen.isEmpty() ? Optional.empty() : Optional.of(tensors.only(frozen::contains)),
              options);
      try {
        EstimatedModel.requireGradients(runtime.parameters(), model.manifest(), origin);
        return new LoadedModel(model, runtime);
      } catch (RuntimeException e) {
        runtime.close();
        throw e;
      }
    }
  }

  private static ModelRuntime runtime(
      ModelManifest manifest,
      TensorSource tensors,
      Optional<TensorSource> head,
      GradientOptions options) {
    Optional<Path> module = options.torchScript(manifest.getModel());
    if (module.isPresent()) {
      return ModelRuntimes.loadTorchScript(module.get(), tensors);
    }
    if (manifest.getConfig() == null) {
      throw new InvalidInput(
          ("%s has no config.json, and this stage's operator no TorchScript module for it"
                  + " (gradient.torchscript_directory)")
              .formatted(tensors.origin()));
    }
    return ModelRuntimes.load(
        ModelConfig.parse("config of " + tensors.origin(), manifest.getConfig()), tensors, head);
  }

  EstimatedModel model() {
    return model;
  }

  /** Examples in the sums. */
  long examples() {
    return sums.examples();
  }

  /**
   * Adds a batch of examples to the sums. One that does not suit the model is left out, and the
   * others are added: one by one or, where the estimator depends on batches, as the batch that is
   * left.
   *
   * @return the examples that were left out, with the reason
   */
  Map<PendingExample, String> add(List<PendingExample> batch) {
    Map<PendingExample, String> refused = new LinkedHashMap<>();
    if (tryAdd(batch).isEmpty()) {
      return refused;
    }
    if (!model.estimator().dependsOnBatches()) {
      for (PendingExample example : batch) {
        tryAdd(List.of(example)).ifPresent(reason -> refused.put(example, reason));
      }
      return refused;
    }
    List<PendingExample> rest = new ArrayList<>();
    for (PendingExample example : batch) {
      try {
        estimation.check(example.example());
        rest.add(example);
      } catch (InvalidInput e) {
        refused.put(example, e.getMessage());
      }
    }
    if (!rest.isEmpty()) {
      tryAdd(rest).ifPresent(reason -> rest.forEach(example -> refused.put(example, reason)));
    }
    return refused;
  }

  private Optional<String> tryAdd(List<PendingExample> batch) {
    try {
      estimation.add(batch.stream().map(PendingExample::example).toList(), sums);
      return Optional.empty();
    } catch (InvalidInput e) {
      return Optional.of(e.getMessage());
    }
  }

  /**
   * Hands the sums over as gradient batches, one for each shard of each merged parameter, and is
   * back at no examples.
   *
   * @return bytes of the batches' indices and data
   */
  long flush(String source, long sequence, BiConsumer<Shard, GradientBatch> output) {
    long bytes = 0;
    for (Shard shard : shards) {
      GradientBatch batch = batch(shard, source, sequence);
      bytes += batch.getIndices().remaining() + batch.getData().remaining();
      output.accept(shard, batch);
    }
    clear();
    return bytes;
  }

  /** Refuses sums that leave the range of float32 with {@link InvalidInput}. */
  void requireFinite() {
    for (Shard shard : shards) {
      copy(shard);
      for (int i = 0; i < shard.elements(); i++) {
        if (!Float.isFinite(values[i])) {
          throw new InvalidInput(
              "model %s: parameter %s: its squared gradients leave the range of float32 (%s)"
                  .formatted(model.version(), shard.tensor().name(), values[i]));
        }
      }
    }
  }

  private void copy(Shard shard) {
    sums.copy(shard.tensor().name(), shard.firstElement(), values, 0, shard.elements());
  }

  /** Back to no examples. */
  void clear() {
    sums.clear();
  }

  private GradientBatch batch(Shard shard, String source, long sequence) {
    GradientBatch batch =
        GradientBatch.newBuilder()
            .setModel(model.manifest().getModel())
            .setVersion(model.manifest().getVersion())
            .setParameter(shard.tensor().name())
            .setShard(shard.index())
            .setSource(source)
            .setSequence(sequence)
            .setExamples(sums.examples())
            .setEncoding(Encoding.SQUARED_SUM)
            .setData(ByteBuffer.allocate(0))
            .build();
    Optional<SparseRun> sparse =
        sums.sparseRun(shard.tensor().name(), shard.firstElement(), shard.elements());
    if (sparse.isPresent()) {
      SparseRun run = sparse.get();
      ByteBuffer indices = allocate(run.indices().length);
      indices.asIntBuffer().put(run.indices());
      batch.setEncoding(Encoding.SPARSE_SQUARED_SUM);
      batch.setIndices(indices);
      batch.setData(bytes(run.values(), run.values().length));
    } else {
      copy(shard);
      batch.setData(bytes(values, shard.elements()));
    }
    return batch;
  }

  private static ByteBuffer bytes(float[] values, int count) {
    ByteBuffer bytes = allocate(count);
    bytes.asFloatBuffer().put(values, 0, count);
    return bytes;
  }

  private static ByteBuffer allocate(int count) {
    return ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
  }

  @Override
  public void close() {
    sums.close();
    runtime.close();
  }
}
