package io.fisherstreams.api;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.DiskSpace;
import io.fisherstreams.files.FileTree;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.ReleaseExporter;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * Releases as files, made when they are first asked for: a release's shards are in its topic in any
 * order, and its checksum is known when the last one is read. The two that were asked for last
 * stay.
 */
final class ReleaseFiles implements AutoCloseable {
  private static final int MAX_FILES = 2;

  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final Path directory;
  private final Map<Long, Path> files = new LinkedHashMap<>(16, 0.75f, true);

  /**
   * Keeps its files in the folder {@code releases} of the stage's own folder. What a killed process
   * left there is removed.
   */
  ReleaseFiles(KafkaSettings kafka, PoolTopics topics, Path parent) {
    this.kafka = kafka;
    this.topics = topics;
    directory = parent.resolve("releases");
    try {
      FileTree.delete(directory);
      Files.createDirectories(directory);
    } catch (IOException e) {
      throw InvalidInput.unwritable(directory, e);
    }
  }

  /**
   * A release's tensors.
   *
   * @throws InvalidInput when its tensors are no longer kept
   */
  List<TensorInfo> tensors(Release release) {
    return new ReleaseReader(kafka, topics).tensors(release, PoolModels.base(kafka, topics));
  }

  /**
   * Opens a release as a safetensors file; the caller closes it. One file is made at a time.
   *
   * @throws InvalidInput when its tensors are no longer kept, or there is no space
   */
  synchronized FileChannel open(Release release) {
    try {
      Path file = files.get(release.getRelease());
      if (file == null) {
        file = directory.resolve(release.getRelease() + ".safetensors");
        List<TensorInfo> tensors = tensors(release);
        dropOldest();
        DiskSpace.require(
            directory,
            ReleaseExporter.bytes(tensors),
            "release " + release.getRelease(),
            "state_directory");
        new ReleaseExporter(new ReleaseReader(kafka, topics))
            .export(release, tensors, ReleaseExporter.Output.file(file), bytes -> {});
        files.put(release.getRelease(), file);
      }
      return FileChannel.open(file);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot open a release's file", e);
    }
  }

  /** A client that still reads a deleted file gets the rest of it. */
  private void dropOldest() throws IOException {
    Iterator<Path> oldest = files.values().iterator();
    while (files.size() >= MAX_FILES) {
      Files.deleteIfExists(oldest.next());
      oldest.remove();
    }
  }

  @Override
  public synchronized void close() {
    files.clear();
    FileTree.delete(directory);
  }
}
