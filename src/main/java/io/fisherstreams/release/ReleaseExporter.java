package io.fisherstreams.release;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.record.Release;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.LongConsumer;
import java.util.stream.Stream;

/**
 * Writes a release as a checkpoint: one safetensors file, or a folder with sharded files and index,
 * the base's {@code config.json} and tokenizer files, and a model card. The output appears whole or
 * not at all.
 */
public final class ReleaseExporter {
  private final ReleaseReader reader;

  /** Exports what the reader reads. */
  public ReleaseExporter(ReleaseReader reader) {
    this.reader = reader;
  }

  /**
   * Writes a release.
   *
   * @param tensors its tensors, as {@link ReleaseReader#tensors} gives them
   * @param target a file name that ends in {@code .safetensors}, else a folder
   * @param maxPartBytes largest file of a folder
   * @param baseFolder where {@code config.json} and tokenizer files are copied from
   * @param progress receives the bytes of each shard after it was written
   */
  public void export(
      Release release,
      List<TensorInfo> tensors,
      Path target,
      long maxPartBytes,
      Optional<Path> baseFolder,
      LongConsumer progress) {
    Map<String, String> metadata =
        Map.of(
            "format", "pt",
            "fisherstreams.release", Long.toString(release.getRelease()),
            "fisherstreams.checksum", release.getChecksum());
    boolean file = isFile(target);
    try (CheckpointWriter writer =
        file
            ? CheckpointWriter.file(target, tensors, metadata)
            : CheckpointWriter.folder(target, tensors, metadata, maxPartBytes)) {
      reader.read(
          release,
          tensor -> {
            int bytes = tensor.getData().remaining();
            writer.write(
                tensor.getParameter(),
                (long) tensor.getShard() * io.fisherstreams.tensor.Shard.ELEMENTS,
                tensor.getData());
            progress.accept(bytes);
          });
      if (!file) {
        baseFolder.ifPresent(folder -> copyCompanions(folder, writer));
        writer.addFile("README.md", ModelCard.of(release).getBytes(StandardCharsets.UTF_8));
      }
      writer.commit();
    }
  }

  /** Whether a target is a single file. */
  public static boolean isFile(Path target) {
    return target.toString().endsWith(".safetensors");
  }

  /**
   * Rejects a target before any other work.
   *
   * @throws InvalidInput when {@link #export} could not write there
   */
  public static void requireWritable(Path target) {
    if (isFile(target)) {
      CheckpointWriter.requireFile(target);
    } else {
      CheckpointWriter.requireFolder(target);
    }
  }

  /** Bytes of a release's tensors. */
  public static long bytes(List<TensorInfo> tensors) {
    return tensors.stream().mapToLong(TensorInfo::bytes).sum();
  }

  private static void copyCompanions(Path folder, CheckpointWriter writer) {
    try (Stream<Path> files = Files.list(folder)) {
      files
          .filter(Files::isRegularFile)
          .filter(path -> isCompanion(path.getFileName().toString()))
          .sorted()
          .forEach(path -> writer.addFile(path.getFileName().toString(), path));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + folder, e);
    }
  }

  private static boolean isCompanion(String name) {
    return name.equals("config.json")
        || name.equals("generation_config.json")
        || name.equals("preprocessor_config.json")
        || name.equals("special_tokens_map.json")
        || name.equals("added_tokens.json")
        || name.equals("vocab.json")
        || name.equals("vocab.txt")
        || name.equals("merges.txt")
        || name.startsWith("tokenizer")
        || name.endsWith(".model");
  }
}
