package io.fisherstreams.merge.payload;

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
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.UUID;
import java.util.function.IntSupplier;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The payload files of one partition: a folder a model version, in it {@code checkpoint}, {@code
 * fisher-<epoch>}, and while an epoch is open {@code open-<n>} and {@code partial-<block size>}.
 * Checkpoint and Fisher of a version that is retired become spares, one of each kind, for the next
 * that comes: writing over a file costs half of writing a new one, and a tenth where a virtual
 * machine has given the memory back to its host. Used by one thread, the one that runs the
 * partition's task.
 */
public final class PartitionPayloads implements AutoCloseable {
  // A file name has 255 bytes; a digest and the version need the rest.
  private static final int MAX_NAME_LENGTH = 150;

  // What every version has, a Fisher of whatever epoch. Most have no open batches, or not for long.
  private static final Pattern SPARED = Pattern.compile("(checkpoint|fisher)(-\\d+)?");

  // A call costs up to 2 µs (in a virtual machine); as much as this takes ten times that to copy.
  private static final int SCRATCH_BYTES = 1 << 18;

  private final Path directory;
  private final Path spares;
  private final IntSupplier openFiles;
  private final Runnable onClose;
  private final ByteBuffer scratch = ByteBuffer.allocateDirect(SCRATCH_BYTES);
  private final Map<Path, PayloadFile> files = new HashMap<>();
  // Ordered by use.
  private final LinkedHashMap<PayloadFile, PayloadFile> open = new LinkedHashMap<>(16, 0.75f, true);

  /**
   * The files under a directory.
   *
   * @param openFiles how many may stay open now: a plan reads every model's files for each shard in
   *     turn
   * @param onClose runs when they are closed
   */
  PartitionPayloads(Path directory, IntSupplier openFiles, Runnable onClose) {
    this.directory = directory;
    spares = directory.resolve("spare");
    this.openFiles = openFiles;
    this.onClose = onClose;
  }

  public PayloadFile file(String model, long version, String name) {
    return files.computeIfAbsent(
        folder(model, version).resolve(name),
        path -> new PayloadFile(path, this::takeSpare, this::used, scratch));
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

  /** Removes all files of a model version. */
  public void drop(String model, long version) {
    Path folder = folder(model, version);
    forget(folder);
    if (!Files.exists(folder)) {
      return;
    }
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : files.toList()) {
        putAside(file);
      }
      Files.delete(folder);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove " + folder, e);
    }
  }

  /** Removes one file of a model version. */
  public void drop(String model, long version, String name) {
    Path path = folder(model, version).resolve(name);
    forget(path);
    try {
      if (Files.exists(path)) {
        putAside(path);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot remove " + path, e);
    }
  }

  /** Where a file lies as a spare; empty for one that is not worth its disk. */
  private Optional<Path> spare(Path file) {
    Matcher spared = SPARED.matcher(file.getFileName().toString());
    return spared.matches() ? Optional.of(spares.resolve(spared.group(1))) : Optional.empty();
  }

  private void putAside(Path file) throws IOException {
    Optional<Path> spare = spare(file);
    if (spare.isPresent()) {
      Files.createDirectories(spares);
      Files.move(file, spare.get(), StandardCopyOption.REPLACE_EXISTING);
    } else {
      Files.delete(file);
    }
  }

  private boolean takeSpare(Path file) {
    Optional<Path> spare = spare(file);
    try {
      if (spare.isPresent()) {
        Files.move(spare.get(), file);
      }
      return spare.isPresent();
    } catch (NoSuchFileException e) {
      return false;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot move " + spare.get() + " to " + file, e);
    }
  }

  private Path folder(String model, long version) {
    String name = URLEncoder.encode(model, StandardCharsets.UTF_8);
    if (name.length() > MAX_NAME_LENGTH) {
      name =
          name.substring(0, MAX_NAME_LENGTH)
              + "-"
              + UUID.nameUUIDFromBytes(model.getBytes(StandardCharsets.UTF_8));
    }
    return directory.resolve(name + "@" + version);
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
    onClose.run();
  }
}
