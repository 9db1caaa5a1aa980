package io.fisherstreams.release;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.TiedWeights;
import io.fisherstreams.record.Release;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.Collectors;

/**
 * Writes a release's shards as they come, from any thread, and its other files at the end. The
 * output appears whole or not at all.
 */
public final class ReleaseWriter implements AutoCloseable {
  private static final String UNKNOWN_CHECKSUM = "0".repeat(16);

  private final List<TensorInfo> tensors;
  private final ReleaseExporter.Output output;
  private final SortedMap<String, String> ties;
  private final CheckpointWriter writer;

  private ReleaseWriter(long release, List<TensorInfo> tensors, ReleaseExporter.Output output) {
    this.tensors = tensors;
    this.output = output;
    ties = tied(tensors, output.ties());
    Path target = output.target();
    Map<String, String> metadata = metadata(release, UNKNOWN_CHECKSUM);
    writer =
        ReleaseExporter.isFile(target)
            ? CheckpointWriter.file(target, all(tensors, ties), metadata)
            : CheckpointWriter.folder(target, all(tensors, ties), metadata, output.maxPartBytes());
  }

  /**
   * Begins a release.
   *
   * @param release its id
   * @param tensors its tensors
   */
  public static ReleaseWriter open(
      long release, List<TensorInfo> tensors, ReleaseExporter.Output output) {
    return new ReleaseWriter(release, tensors, output);
  }

  private static Map<String, String> metadata(long release, String checksum) {
    return Map.of(
        "format",
        "pt",
        "fisherstreams.release",
        Long.toString(release),
        "fisherstreams.checksum",
        checksum);
  }

  /** Writes one shard, and its copies under the names that are tied to its parameter. */
  public void write(String parameter, int shard, ByteBuffer data) {
    long first = (long) shard * Shard.ELEMENTS;
    writer.write(parameter, first, data);
    ties.forEach(
        (name, source) -> {
          if (source.equals(parameter)) {
            writer.write(name, first, data);
          }
        });
  }

  /**
   * Writes what belongs to the whole release, and lets the output appear.
   *
   * @param release the one that was begun, with its checksum of 16 digits
   */
  public void finish(Release release) {
    writer.metadata(metadata(release.getRelease(), release.getChecksum()));
    if (!ReleaseExporter.isFile(output.target())) {
      output
          .companions()
          .ifPresent(
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
                  output.companions().map(Companions::folder).map(BaseCard::of))
              .getBytes(StandardCharsets.UTF_8));
    }
    writer.commit();
  }

  /** Ends the writer. Without {@link #finish}, everything that was written is deleted. */
  @Override
  public void close() {
    writer.close();
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
