package io.fisherstreams.release;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.record.Release;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.LongConsumer;

/**
 * Writes a release as a checkpoint: one safetensors file, or a folder with sharded files and index,
 * the base's {@code config.json} and tokenizer files, and a model card. The output appears whole or
 * not at all.
 */
public final class ReleaseExporter {
  private final ReleaseReader reader;

  /**
   * What is written.
   *
   * @param target a file name that ends in {@code .safetensors}, else a folder
   * @param maxPartBytes largest file of a folder
   * @param companions files of the base's folder that are copied into a folder
   * @param ties the base's tied tensors, which are written as copies
   */
  public record Output(
      Path target, long maxPartBytes, Optional<Companions> companions, TiedWeights ties) {
    /** One file, with nothing else. */
    public static Output file(Path target) {
      return new Output(target, Long.MAX_VALUE, Optional.empty(), TiedWeights.NONE);
    }
  }

  /** Exports what the reader reads. */
  public ReleaseExporter(ReleaseReader reader) {
    this.reader = reader;
  }

  /**
   * Writes a release.
   *
   * @param tensors its tensors, as {@link ReleaseReader#tensors} gives them
   * @param output where and with what
   * @param progress receives the bytes of each shard after it was written
   */
  public void export(
      Release release, List<TensorInfo> tensors, Output output, LongConsumer progress) {
    try (ReleaseWriter writer = ReleaseWriter.open(release.getRelease(), tensors, output)) {
      reader.read(
          release,
          tensor -> {
            int bytes = tensor.getData().remaining();
            writer.write(tensor.getParameter(), tensor.getShard(), tensor.getData());
            progress.accept(bytes);
          });
      writer.finish(release);
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
}
