package io.fisherstreams.publish;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.kafka.CheckpointFetcher;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.CompanionFile;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PoolTopics;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.zip.GZIPInputStream;
import org.apache.kafka.clients.consumer.Consumer;

/** A pool's base as files, for a LoRA adapter that is expanded with it. */
public final class PoolBase {
  private static final String CONFIG = "config.json";

  private PoolBase() {}

  /**
   * Copies a base's tensors from their topic, and its {@code config.json} if it has one, into a
   * folder. They go straight to the disk.
   *
   * @throws InvalidInput when the pool does not have the whole base
   */
  public static void fetch(
      KafkaSettings kafka, PoolTopics topics, ModelManifest base, Path folder) {
    DiskSpace.require(folder, ModelCheck.bytes(base), "the pool's base", "--base-folder or TMPDIR");
    int partitions;
    try (Consumer<String, byte[]> consumer = kafka.newTextKeyReader()) {
      partitions = consumer.partitionsFor(topics.checkpointShards().name()).size();
    }
    CheckpointFetcher fetcher = new CheckpointFetcher(topics, kafka::newTextKeyReader, partitions);
    if (!fetcher.fetch(base, name -> true, folder.resolve("model.safetensors"), () -> false)) {
      throw new InvalidInput(
          "the pool does not have all tensors of its base %s yet, from which the adapter is expanded"
              .formatted(base.getModel()));
    }
    config(base).ifPresent(text -> write(folder.resolve(CONFIG), text));
  }

  private static Optional<byte[]> config(ModelManifest base) {
    return base.getCompanions().stream()
        .filter(companion -> companion.getName().equals(CONFIG))
        .findFirst()
        .map(PoolBase::unpacked);
  }

  private static byte[] unpacked(CompanionFile file) {
    ByteBuffer gzip = file.getGzip().duplicate();
    byte[] packed = new byte[gzip.remaining()];
    gzip.get(packed);
    try (InputStream in = new GZIPInputStream(new ByteArrayInputStream(packed))) {
      return in.readNBytes(Limits.MAX_CONFIG_LENGTH);
    } catch (IOException e) {
      throw new InvalidInput("the base's %s is not packed by gzip".formatted(CONFIG), e);
    }
  }

  private static void write(Path file, byte[] text) {
    try {
      Files.write(file, text);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + file, e);
    }
  }

  /**
   * Rejects a folder that is not the pool's base.
   *
   * @param option what names the folder, for the message
   */
  public static void require(String option, Path folder, ModelManifest base) {
    List<String> names = ManifestTensors.all(base).stream().map(tensor -> tensor.name()).toList();
    try (Checkpoint file = Checkpoint.openAs(folder, names)) {
      boolean isBase =
          file.tensors().keySet().containsAll(names)
              && hasTensors(file, base.getParameters())
              && (ContentHash.of(TensorSource.of(file), base.getParameters())
                      .equals(base.getContentHash())
                  || file.sha256().equals(base.getCheckpointSha256()));
      if (!isBase) {
        throw new InvalidInput(
            "%s %s: its tensors are not those of %s@%s, the pool's base"
                .formatted(option, folder, base.getModel(), base.getVersion()));
      }
    }
  }

  private static boolean hasTensors(Checkpoint file, List<Parameter> parameters) {
    return parameters.stream()
        .allMatch(
            parameter ->
                file.tensors().get(parameter.getName()).equals(ManifestTensors.of(parameter)));
  }
}
