package io.fisherstreams.cli.options;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolView;
import io.fisherstreams.publish.ContentHash;
import io.fisherstreams.publish.VersionBinding;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import java.nio.file.Path;
import java.util.Collection;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.NavigableMap;
import java.util.Optional;
import java.util.OptionalLong;
import picocli.CommandLine.Option;

/** The version of a model for which data was made. */
public final class MadeFor {
  @Option(
      names = "--model-version",
      paramLabel = "N",
      description =
          "The version that the data was made for, which must be the newest. Needed, or --checkpoint, when an earlier version"
              + " still awaits its Fisher.")
  private Long version;

  @Option(
      names = "--checkpoint",
      paramLabel = "CHECKPOINT",
      description =
          "The checkpoint that the data was made for: its tensors must be those of the newest version.")
  private Path checkpoint;

  /** Rejects a checkpoint that cannot be opened, before anything else is asked. */
  public void requireReadable() {
    if (checkpoint != null) {
      Checkpoint.requireReadable(checkpoint);
    }
  }

  /**
   * Rejects data that may be another version's.
   *
   * @param newest the model's newest manifest
   * @param checkpointSha256 the checkpoint's hash by the data's own provenance
   */
  public void require(ModelManifest newest, PoolView view, Optional<String> checkpointSha256) {
    new VersionBinding(
            version == null ? OptionalLong.empty() : OptionalLong.of(version),
            Optional.ofNullable(checkpoint).map(path -> manifest -> isContent(path, manifest)),
            checkpointSha256)
        .require(newest, earlier(newest, view));
  }

  private static boolean isContent(Path path, ModelManifest manifest) {
    if (Checkpoint.isAdapter(path)) {
      return Checkpoint.sha256OfAdapter(path).equals(manifest.getCheckpointSha256());
    }
    List<String> names = manifest.getParameters().stream().map(Parameter::getName).toList();
    try (Checkpoint file = Checkpoint.openAs(path, names)) {
      boolean hasSameTensors =
          file.tensors().keySet().containsAll(names)
              && ContentHash.of(TensorSource.of(file), manifest.getParameters())
                  .equals(manifest.getContentHash());
      return hasSameTensors || file.sha256().equals(manifest.getCheckpointSha256());
    }
  }

  private static Collection<Long> earlier(ModelManifest newest, PoolView view) {
    NavigableMap<Long, PoolModel> versions =
        view.models().getOrDefault(newest.getModel(), Collections.emptyNavigableMap());
    return versions.headMap(newest.getVersion(), false).entrySet().stream()
        .filter(version -> version.getValue().epoch().isEmpty())
        .map(Map.Entry::getKey)
        .toList();
  }
}
