package io.fisherstreams.estimation;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.kafka.CheckpointFetcher;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.RejectedRecord;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Supplier;
import java.util.stream.Stream;

/** Loads models from topic {@code checkpoint-shards} into native memory. For one thread. */
final class ModelLoader {
  private final CheckpointFetcher checkpoints;
  private final Supplier<Optional<ModelManifest>> base;
  private final GradientOptions options;
  private final Compute compute;
  private final Path directory;

  /**
   * A loader that has loaded nothing.
   *
   * @param base the manifest of the pool's base, of which an adapter has tensors
   * @param options with the operator's modules
   * @param compute where the models run
   * @param directory for a model's file while it is loaded; files of an earlier loader are deleted
   */
  ModelLoader(
      CheckpointFetcher checkpoints,
      Supplier<Optional<ModelManifest>> base,
      GradientOptions options,
      Compute compute,
      Path directory) {
    this.checkpoints = checkpoints;
    this.base = base;
    this.options = options;
    this.compute = compute;
    this.directory = directory;
    try {
      Files.createDirectories(directory);
      try (Stream<Path> files = Files.list(directory)) {
        files.forEach(ModelLoader::delete);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot empty " + directory, e);
    }
  }

  /**
   * Loads a model, which the caller closes; empty when its checkpoint is not complete yet.
   *
   * @param cancelled asked while the checkpoint is fetched
   * @throws InvalidInput when the tensors are not what the config describes, or a merged parameter
   *     has no gradient
   * @throws RejectedRecord when the manifest lists no usable tensors
   */
  Optional<LoadedModel> load(EstimatedModel model, BooleanSupplier cancelled) {
    Path file = directory.resolve("model.safetensors");
    Path ofBase = directory.resolve("base.safetensors");
    ModelManifest manifest = model.manifest();
    try {
      if (!fetchBase(manifest, ofBase, cancelled)
          || !checkpoints.fetch(manifest, name -> true, file, cancelled)) {
        return Optional.empty();
      }
      return Optional.of(load(model, file, ofBase));
    } finally {
      delete(file);
      delete(ofBase);
    }
  }

  /** Fetches what an adapter leaves as its base has it; nothing for a whole model. */
  private boolean fetchBase(ModelManifest manifest, Path file, BooleanSupplier cancelled) {
    if (manifest.getUnchanged() == null) {
      return true;
    }
    Set<String> names = ManifestTensors.unchangedNames(manifest);
    return base.get()
        .filter(found -> found.getVersion() == manifest.getUnchanged().getBaseVersion())
        .filter(found -> checkpoints.fetch(found, names::contains, file, cancelled))
        .isPresent();
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private LoadedModel load(EstimatedModel model, Path file, Path ofBase) {
    if (model.manifest().getUnchanged() == null) {
      try (Checkpoint checkpoint = Checkpoint.open(file)) {
        return load(model, TensorSource.of(checkpoint));
      }
    }
    try (Checkpoint checkpoint = Checkpoint.open(file);
        Checkpoint base = Checkpoint.open(ofBase)) {
      return load(model, TensorSource.of(base).with(TensorSource.of(checkpoint), name -> true));
    }
  }

  private LoadedModel load(EstimatedModel model, TensorSource all) {
    Set<String> frozen = new HashSet<>(model.manifest().getEstimation().getFrozen());
    String origin = "model " + model.version();
    TensorSource tensors = all.named(origin);
    ModelRuntime runtime =
        runtime(
            model.manifest(),
            tensors.only(name -> !frozen.contains(name)),
            frozen.isEmpty() ? Optional.empty() : Optional.of(tensors.only(frozen::contains)));
    try {
      EstimatedModel.requireGradients(runtime.parameters(), model.manifest(), origin);
      return new LoadedModel(model, runtime);
    } catch (RuntimeException e) {
      runtime.close();
      throw e;
    }
  }

  private ModelRuntime runtime(
      ModelManifest manifest, TensorSource tensors, Optional<TensorSource> head) {
    Optional<Path> module = options.torchScript(manifest.getModel());
    if (module.isPresent()) {
      return ModelRuntimes.loadTorchScript(module.get(), tensors, compute);
    }
    if (manifest.getConfig() == null) {
      throw new InvalidInput(
          ("%s has no config.json, and this stage's operator no TorchScript module for it"
                  + " (gradient.torchscript_directory)")
              .formatted(tensors.origin()));
    }
    return ModelRuntimes.load(
        ModelConfig.parse("config of " + tensors.origin(), manifest.getConfig()),
        tensors,
        head,
        compute);
  }
}
