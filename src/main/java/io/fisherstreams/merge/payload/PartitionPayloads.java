package io.fisherstreams.merge.payload;

import io.fisherstreams.files.FileTree;
import io.fisherstreams.record.ModelVersion;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.net.URLEncoder;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.UUID;
import java.util.function.IntSupplier;
import java.util.stream.Stream;

/**
 * The payload files of one partition: a folder for each model version, with {@code checkpoint},
 * {@code fisher-<epoch>}, and while an epoch is open {@code open-<n>} and {@code partial-<block
 * size>}; and the file of the kept sums. The checkpoint and the Fisher of a retired version become
 * recycled files, at most one of each kind, and the next version overwrites them: this costs half
 * as much as writing a new file, and a tenth where a virtual machine has returned the memory to its
 * host. Used by one thread, the one that runs the partition's task.
 */
public final class PartitionPayloads implements AutoCloseable {
  // A file name has 255 bytes; a digest and the version need the rest.
  private static final int MAX_NAME_LENGTH = 150;

  // A call costs up to 2 µs (in a virtual machine); to copy this many bytes takes ten times that.
  private static final int SCRATCH_BYTES = 1 << 18;

  private final Path directory;
  private final Path recycled;
  private final Path sumsFolder;
  private final IntSupplier openFiles;
  private final Runnable onClose;
  private final ByteBuffer scratch = ByteBuffer.allocateDirect(SCRATCH_BYTES);
  private final Map<Path, PayloadFile> files = new HashMap<>();
  // Ordered by use.
  private final LinkedHashMap<PayloadFile, PayloadFile> open = new LinkedHashMap<>(16, 0.75f, true);
  private SumsFile sums;

  /**
   * The files under a directory.
   *
   * @param openFiles how many files may stay open now: a plan reads every model's files for each
   *     shard in turn
   * @param onClose runs when the files are closed
   */
  PartitionPayloads(Path directory, IntSupplier openFiles, Runnable onClose) {
    this.directory = directory;
    recycled = directory.resolve("spare");
    sumsFolder = directory.resolve("sums");
    this.openFiles = openFiles;
    this.onClose = onClose;
  }

  /** One file of a model version; it is created by the first write. */
  public PayloadFile file(ModelVersion version, PayloadName name) {
    return files.computeIfAbsent(
        folder(version).resolve(name.file()),
        path -> new PayloadFile(path, this::takeRecycled, this::used, scratch));
  }

  /**
   * The file of the kept sums; it is created by the first write. There is one: another one is
   * closed.
   */
  public SumsFile sums(String name) {
    Path path = sumsFolder.resolve(name);
    if (sums == null || !sums.path().equals(path)) {
      closeSums();
      sums = new SumsFile(path);
    }
    return sums;
  }

  private void closeSums() {
    if (sums != null) {
      sums.close();
      sums = null;
    }
  }

  /** Removes all files of kept sums but those with these names. */
  public void dropSumsExcept(Collection<String> names) {
    if (!Files.exists(sumsFolder)) {
      return;
    }
    if (sums != null && !names.contains(sums.path().getFileName().toString())) {
      closeSums();
    }
    try (Stream<Path> all = Files.list(sumsFolder)) {
      all.filter(file -> !names.contains(file.getFileName().toString())).forEach(FileTree::delete);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + sumsFolder, e);
    }
  }

  private void used(PayloadFile file) {
    if (open.put(file, file) == null) {
      while (open.size() > openFiles.getAsInt()) {
        PayloadFile longestUnused = open.keySet().iterator().next();
        longestUnused.release();
        open.remove(longestUnused);
      }
    }
  }

  /**
   * Removes the files of all other model versions: those of versions that were retired while
   * another process had the partition.
   */
  public void dropAllExcept(Collection<ModelVersion> versions) {
    if (!Files.exists(directory)) {
      return;
    }
    Set<Path> kept = new HashSet<>(Set.of(recycled, sumsFolder));
    versions.forEach(version -> kept.add(folder(version)));
    try (Stream<Path> folders = Files.list(directory)) {
      folders.filter(folder -> !kept.contains(folder)).forEach(this::drop);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + directory, e);
    }
  }

  /** Removes all files of a model version. */
  public void drop(ModelVersion version) {
    drop(folder(version));
  }

  /**
   * Removes all files of a model version for good, and those that are kept to be recycled: they may
   * have the content of an earlier version of this model.
   */
  public void delete(ModelVersion version) {
    Path folder = folder(version);
    forget(folder);
    FileTree.delete(folder);
    FileTree.delete(recycled);
  }

  private void drop(Path folder) {
    forget(folder);
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        recycleOrDelete(file);
      }
      Files.delete(folder);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove " + folder, e);
    }
  }

  /** Removes one file of a model version. */
  public void drop(ModelVersion version, PayloadName name) {
    Path path = folder(version).resolve(name.file());
    forget(path);
    try {
      if (Files.exists(path)) {
        recycleOrDelete(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove " + path, e);
    }
  }

  /** Where a file is kept to be recycled; empty for one that is not worth its disk space. */
  private Optional<Path> recycledPath(Path file) {
    return PayloadName.recycled(file.getFileName().toString()).map(recycled::resolve);
  }

  private void recycleOrDelete(Path file) throws IOException {
    Optional<Path> target = recycledPath(file);
    if (target.isPresent()) {
      Files.createDirectories(recycled);
      Files.move(file, target.get(), StandardCopyOption.REPLACE_EXISTING);
    } else {
      Files.delete(file);
    }
  }

  private boolean takeRecycled(Path file) {
    Optional<Path> source = recycledPath(file);
    try {
      if (source.isPresent()) {
        Files.move(source.get(), file);
      }
      return source.isPresent();
    } catch (NoSuchFileException e) {
      return false;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot move " + source.get() + " to " + file, e);
    }
  }

  private Path folder(ModelVersion version) {
    String name = URLEncoder.encode(version.model(), StandardCharsets.UTF_8);
    if (name.length() > MAX_NAME_LENGTH) {
      name =
          name.substring(0, MAX_NAME_LENGTH)
              + "-"
              + UUID.nameUUIDFromBytes(version.model().getBytes(StandardCharsets.UTF_8));
    }
    return directory.resolve(name + "@" + version.version());
  }

  private void forget(Path prefix) {
    List<PayloadFile> gone = new ArrayList<>();
    for (PayloadFile file : files.values()) {
      if (file.path().startsWith(prefix)) {
        gone.add(file);
      }
    }
    for (PayloadFile file : gone) {
      file.release();
      open.remove(file);
      files.remove(file.path());
    }
  }

  @Override
  public void close() {
    files.values().forEach(PayloadFile::release);
    files.clear();
    open.clear();
    closeSums();
    onClose.run();
  }
}
