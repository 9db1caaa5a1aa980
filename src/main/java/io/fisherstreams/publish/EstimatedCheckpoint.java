package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherEstimation;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.Head;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Comparator;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongConsumer;

/**
 * A model whose Fisher the gradient stage estimates, as it is published: the tensors of the
 * checkpoint and of its frozen head, and how the model is run.
 */
public final class EstimatedCheckpoint implements AutoCloseable {
  private final ModelFiles files;
  private final Optional<Checkpoint> headFile;
  private final Optional<Head> head;
  private final TensorSource own;
  private final Set<String> unchanged;
  private final TensorSource tensors;

  private EstimatedCheckpoint(
      ModelFiles files, Checkpoint checkpoint, Optional<Checkpoint> headFile) {
    this.files = files;
    this.headFile = headFile;
    this.head = headFile.map(Head::of);
    this.own = TensorSource.of(checkpoint);
    this.unchanged = checkpoint.unchanged();
    this.tensors = head.map(h -> own.with(h.tensors(), name -> true)).orElse(own);
  }

  /**
   * Opens the head, if there is one.
   *
   * @param checkpoint of these files; the caller closes it
   */
  public static EstimatedCheckpoint open(ModelFiles files, Checkpoint checkpoint) {
    Optional<Checkpoint> headFile = files.head().map(Checkpoint::open);
    try {
      return new EstimatedCheckpoint(files, checkpoint, headFile);
    } catch (RuntimeException e) {
      headFile.ifPresent(Checkpoint::close);
      throw e;
    }
  }

  /** The tensors to publish. */
  public TensorSource tensors() {
    return tensors;
  }

  /**
   * The model's manifest.
   *
   * @param ofBase what the model leaves as its base has it; nothing for a whole model
   * @param torchScript whether the stage's operator has a module for the model, so that no {@code
   *     config.json} is needed
   * @throws InvalidInput when the head brings a parameter that the pool merges, or {@code
   *     config.json} cannot be read
   */
  public ModelManifest.Builder manifest(
      String model,
      long version,
      Optional<UnchangedParameters> ofBase,
      MergeSet mergeSet,
      Estimation estimation,
      boolean torchScript) {
    List<String> frozen =
        head.map(h -> h.tensors().tensors().stream().map(TensorInfo::name).sorted().toList())
            .orElse(List.of());
    for (String name : frozen) {
      if (mergeSet.merges(name)) {
        throw new InvalidInput(
            "%s: the pool merges the parameter %s, so it cannot be a frozen head's"
                .formatted(headFile.orElseThrow().path(), name));
      }
    }
    List<TensorInfo> byName =
        tensors.tensors().stream()
            .filter(tensor -> !this.unchanged.contains(tensor.name()))
            .sorted(Comparator.comparing(TensorInfo::name))
            .toList();
    return Manifests.fineTuned(model, version, byName, ofBase, mergeSet, true)
        .setConfig(torchScript ? null : files.configText())
        .setEstimation(Estimation.newBuilder(estimation).setFrozen(frozen).build());
  }

  /**
   * Rejects a model that does not match its config, by loading it.
   *
   * @throws InvalidInput with file, tensor, expected and found
   */
  public void requireRunnable(ModelManifest manifest) {
    load(manifest).close();
  }

  /**
   * Rejects a model that does not match its config, and examples that do not fit the model. Runs
   * the model on one example only, where the architecture knows its inputs.
   *
   * @param source holds at least {@code count} examples, of which the first are checked
   * @param progress receives how many were checked since its last call
   * @throws InvalidInput with file, index and reason
   */
  public void requireRunnable(
      ModelManifest manifest, ExampleSource source, long count, LongConsumer progress) {
    try (ModelRuntime runtime = load(manifest)) {
      FisherEstimation estimation = new FisherEstimation(runtime, estimator(manifest));
      int outputs = estimation.check(source.read(0, 1).get(0));
      source.forEach(
          count,
          example -> {
            estimation.checkInputs(example, outputs);
            progress.accept(1);
          });
    }
  }

  private static Estimator estimator(ModelManifest manifest) {
    return EstimatedModel.of(manifest).estimator();
  }

  private ModelRuntime load(ModelManifest manifest) {
    ModelRuntime runtime = files.load(own, Compute.cpu());
    try {
      EstimatedModel.requireGradients(
          runtime.parameters(), manifest, files.checkpoint().toString());
      return runtime;
    } catch (RuntimeException e) {
      runtime.close();
      throw e;
    }
  }

  @Override
  public void close() {
    headFile.ifPresent(Checkpoint::close);
  }
}
