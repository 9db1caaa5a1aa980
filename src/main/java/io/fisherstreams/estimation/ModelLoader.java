package io.fisherstreams.estimation;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
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
import java.util.stream.Stream;

/** Loads models from topic {@code checkpoint-shards} into native memory. For one thread. */
final class ModelLoader {
  private final CheckpointFetcher checkpoints;
  private final GradientOptions options;
  private final Path directory;

  /**
   * A loader that has loaded nothing.
   *
   * @param options with the operator's modules
   * @param directory for a model's file while it is loaded; files of an earlier loader are deleted
   */
  ModelLoader(CheckpointFetcher checkpoints, GradientOptions options, Path directory) {
    this.checkpoints = checkpoints;
    this.options = options;
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
    try {
      return checkpoints.fetch(model.manifest(), file, cancelled)
          ? Optional.of(load(model, file))
          : Optional.empty();
    } finally {
      delete(file);
    }
  }

  private static void delete(Path file) {
    try {
      Files.deleteIfExists(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private LoadedModel load(EstimatedModel model, Path file) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      Set<String> frozen = new HashSet<>(model.manifest().getEstimation().getFrozen());
      String origin = "model " + model.version();
      TensorSource tensors = TensorSource.of(checkpoint).named(origin);
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
  }

  private ModelRuntime runtime(
      ModelManifest manifest, TensorSource tensors, Optional<TensorSource> head) {
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
}
