package io.fisherstreams.release;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.record.Release;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import java.util.stream.Collectors;

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
    Path target = output.target;
    SortedMap<String, String> ties = tied(tensors, output.ties);
    Map<String, String> metadata =
        Map.of(
            "format", "pt",
            "fisherstreams.release", Long.toString(release.getRelease()),
            "fisherstreams.checksum", release.getChecksum());
    boolean file = isFile(target);
    try (CheckpointWriter writer =
        file
            ? CheckpointWriter.file(target, all(tensors, ties), metadata)
            : CheckpointWriter.folder(target, all(tensors, ties), metadata, output.maxPartBytes)) {
      reader.read(
          release,
          tensor -> {
            int bytes = tensor.getData().remaining();
            long first = (long) tensor.getShard() * io.fisherstreams.tensor.Shard.ELEMENTS;
            writer.write(tensor.getParameter(), first, tensor.getData());
            ties.forEach(
                (name, source) -> {
                  if (source.equals(tensor.getParameter())) {
                    writer.write(name, first, tensor.getData());
                  }
                });
            progress.accept(bytes);
          });
      if (!file) {
        output.companions.ifPresent(
            companions ->
                companions.copyTo(
                    writer,
                    Optional.ofNullable(release.getPlan().getMethod().getOutputDtype())
                        .flatMap(DType::of)));
        writer.addFile(
            "README.md",
            ModelCard.of(
                    release,
                    tensors,
                    new TiedWeights(ties),
                    output.companions.map(Companions::folder).map(BaseCard::of))
                .getBytes(StandardCharsets.UTF_8));
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

  /** The ties whose source is in the release and whose follower is not. */
  private static SortedMap<String, String> tied(List<TensorInfo> tensors, TiedWeights ties) {
    Set<String> names = tensors.stream().map(TensorInfo::name).collect(Collectors.toSet());
    SortedMap<String, String> tied = new TreeMap<>(ties.sources());
    tied.values().retainAll(names);
    tied.keySet().removeAll(names);
    return tied;
  }

  private static List<TensorInfo> all(List<TensorInfo> tensors, SortedMap<String, String> ties) {
    List<TensorInfo> all = new ArrayList<>(tensors);
    for (TensorInfo tensor : tensors) {
      ties.forEach(
          (name, source) -> {
            if (source.equals(tensor.name())) {
              all.add(new TensorInfo(name, tensor.dtype(), tensor.shape()));
            }
          });
    }
    return all;
  }
}
