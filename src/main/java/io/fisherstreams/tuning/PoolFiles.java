package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.merge.StoredModels;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.release.PackedCompanions;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.function.LongConsumer;

/**
 * The models of a pool's plan as files, for merges beside the pool. A Fisher file has means,
 * rounded to float32, where the pool has sums, so a merge of the files may differ from the pool's
 * release in the last bit. Of an adapter the files have what it changes.
 */
public final class PoolFiles {
  private PoolFiles() {}

  /**
   * Reads the models from the topics and writes their files.
   *
   * @param directory an empty folder
   * @param progress gets the number of bytes that were read
   * @return the merge that the plan is, whose own file does not exist
   */
  public static MergeFile write(
      StoredModels models, MergePlan plan, Path directory, LongConsumer progress) {
    Path base = directory.resolve("base");
    try {
      Files.createDirectories(base);
    } catch (IOException e) {
      throw InvalidInput.unwritable(base, e);
    }
    PackedCompanions.unpack(models.base().getCompanions(), base);
    List<MergeFile.Model> merged = new ArrayList<>();
    try (Writers files = new Writers()) {
      files.add(
          files.checkpoints,
          models.base(),
          base.resolve("model.safetensors"),
          ManifestTensors.all(models.base()));
      for (int i = 0; i < models.manifests().size(); i++) {
        ModelManifest manifest = models.manifests().get(i);
        Path checkpoint = directory.resolve("model-" + i + ".safetensors");
        Path fisher = directory.resolve("model-" + i + ".fisher.safetensors");
        files.add(
            files.checkpoints, manifest, checkpoint, ManifestTensors.mergedCheckpoint(manifest));
        if (models.readsFishers()) {
          files.add(files.fishers, manifest, fisher, ManifestTensors.merged(manifest));
        }
        merged.add(
            model(
                plan,
                plan.getModels().get(i),
                checkpoint,
                models.readsFishers() ? Optional.of(fisher) : Optional.empty()));
      }
      models.read(directory.resolve("payloads"), files, progress);
      files.commit();
    }
    return new MergeFile(
        directory.resolve("merge.yaml"),
        base,
        merged,
        MergeFile.Method.merging(
            MergeMethods.formula(plan.getMethod()),
            plan.getMethod().getExcludeParamNamesRegex(),
            plan.getMethod().getUnchangedParameters(),
            MergeMethods.groups(plan.getMethod())),
        List.of(),
        Optional.empty());
  }

  private static MergeFile.Model model(
      MergePlan plan, PlannedModel planned, Path checkpoint, Optional<Path> fisher) {
    return new MergeFile.Model(
        planned.getModel(),
        checkpoint,
        fisher,
        Optional.empty(),
        PlannedModels.given(plan, planned),
        Optional.empty(),
        Optional.empty(),
        OptionalInt.empty());
  }

  /** The files that are being written, by the names of the models. */
  private static final class Writers implements StoredModels.Sink, AutoCloseable {
    private final Map<String, CheckpointWriter> checkpoints = new HashMap<>();
    private final Map<String, CheckpointWriter> fishers = new HashMap<>();

    void add(
        Map<String, CheckpointWriter> writers,
        ModelManifest manifest,
        Path file,
        List<TensorInfo> tensors) {
      Map<String, String> metadata =
          manifest.getUnchanged() == null
              ? Map.of()
              : Map.of(
                  Checkpoint.CHANGES_ONLY,
                  "of version " + manifest.getUnchanged().getBaseVersion());
      writers.put(manifest.getModel(), CheckpointWriter.file(file, tensors, metadata));
    }

    @Override
    public void checkpoint(String model, Shard shard, ByteBuffer bytes) {
      write(checkpoints.get(model), shard, bytes);
    }

    @Override
    public void fisher(String model, Shard shard, ByteBuffer means) {
      write(fishers.get(model), shard, means);
    }

    private static void write(CheckpointWriter writer, Shard shard, ByteBuffer bytes) {
      writer.write(shard.tensor().name(), shard.firstElement(), bytes);
    }

    void commit() {
      checkpoints.values().forEach(CheckpointWriter::commit);
      fishers.values().forEach(CheckpointWriter::commit);
    }

    @Override
    public void close() {
      checkpoints.values().forEach(CheckpointWriter::close);
      fishers.values().forEach(CheckpointWriter::close);
    }
  }
}
