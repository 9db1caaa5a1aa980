package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Where an output is to appear. Making one checks the path, so a bad one is found before the work
 * whose result it would receive.
 *
 * @param path absolute and without symbolic links, so that a rename replaces the file behind a link
 * @param isFolder whether the output is a folder of files
 */
public record OutputTarget(Path path, boolean isFolder) {
  private static final Logger LOG = LoggerFactory.getLogger(OutputTarget.class);

  /**
   * A single file, which may exist.
   *
   * @throws InvalidInput when the file's folder does not exist or cannot be written to, or when the
   *     target is a folder
   */
  public static OutputTarget file(Path target) {
    OutputTarget output = new OutputTarget(resolve(target), false);
    if (Files.isDirectory(output.path)) {
      throw new InvalidInput(target + " is a folder, expected a file to write");
    }
    return output;
  }

  /**
   * A folder, which must be empty if it exists.
   *
   * @throws InvalidInput when the target's parent does not exist or cannot be written to, or when
   *     the target exists and is not an empty folder
   */
  public static OutputTarget folder(Path target) {
    OutputTarget output = new OutputTarget(resolve(target), true);
    output.requireAbsentOrEmpty();
    return output;
  }

  private static Path resolve(Path target) {
    if (target.toString().isBlank()) {
      throw new InvalidInput("the output's name is empty");
    }
    try {
      Path resolved = Files.exists(target) ? target.toRealPath() : target.toAbsolutePath();
      Path parent = resolved.getParent();
      if (parent == null) {
        throw new InvalidInput(target + " cannot be written to");
      }
      for (Path up = parent; up != null; up = up.getParent()) {
        if (Files.exists(up) && !Files.isDirectory(up)) {
          throw new InvalidInput("%s cannot be written: %s is a file".formatted(target, up));
        }
      }
      if (!Files.isDirectory(parent)) {
        throw new InvalidInput(
            "%s cannot be written: the folder %s does not exist; create it first"
                .formatted(target, parent));
      }
      if (!Files.isWritable(parent)) {
        throw new InvalidInput(
            "%s cannot be written: no permission to write to the folder %s"
                .formatted(target, parent));
      }
      return resolved;
    } catch (IOException e) {
      throw new UncheckedIOException(target + " cannot be written", e);
    }
  }

  void requireAbsentOrEmpty() {
    if (!Files.exists(path)) {
      return;
    }
    if (!Files.isDirectory(path)) {
      throw new InvalidInput(path + " is a file, expected a folder to write");
    }
    try (Stream<Path> content = Files.list(path)) {
      if (content.findAny().isPresent()) {
        throw new InvalidInput(
            "the folder %s exists and is not empty: choose another, or delete it".formatted(path));
      }
    } catch (IOException e) {
      throw new UncheckedIOException(path + " cannot be listed", e);
    }
  }

  /** Chooses a new hidden name beside the target, and creates a folder there for a folder. */
  // Not Files.createTempFile: only the owner may read its files, and the rename keeps permissions.
  Path createTemporarySibling() {
    while (true) {
      String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
      Path sibling = path.resolveSibling(".%s.%s.tmp".formatted(path.getFileName(), random));
      if (Files.exists(sibling)) {
        continue;
      }
      if (isFolder) {
        try {
          Files.createDirectory(sibling);
        } catch (IOException e) {
          throw new UncheckedIOException(sibling + " cannot be created", e);
        }
      }
      return sibling;
    }
  }

  /** Says to other processes that a temporary sibling is in use. */
  record Lock(FileChannel channel, Path file) implements AutoCloseable {
    @Override
    public void close() {
      try {
        Files.deleteIfExists(file);
        channel.close();
      } catch (IOException e) {
        throw new UncheckedIOException(file + " cannot be deleted", e);
      }
    }
  }

  Lock lock(Path sibling) {
    Path file = lockOf(sibling);
    try {
      FileChannel channel =
          FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      channel.tryLock();
      return new Lock(channel, file);
    } catch (IOException e) {
      throw InvalidInput.unwritable(file, e);
    }
  }

  private static Path lockOf(Path sibling) {
    String name = sibling.getFileName().toString();
    return sibling.resolveSibling(name.substring(0, name.length() - ".tmp".length()) + ".lock");
  }

  /** Deletes the temporary siblings of processes that were killed: nobody holds their locks. */
  void removeLeftovers() {
    String pattern = "." + path.getFileName() + ".";
    try (Stream<Path> files = Files.list(path.getParent())) {
      for (Path lock :
          files
              .filter(file -> file.getFileName().toString().startsWith(pattern))
              .filter(file -> file.getFileName().toString().endsWith(".lock"))
              .toList()) {
        removeIfAbandoned(lock);
      }
    } catch (IOException e) {
      throw new UncheckedIOException(path.getParent() + " cannot be listed", e);
    }
  }

  private static void removeIfAbandoned(Path lock) throws IOException {
    try (FileChannel channel = FileChannel.open(lock, StandardOpenOption.WRITE)) {
      if (channel.tryLock() != null) {
        String name = lock.getFileName().toString();
        Path sibling =
            lock.resolveSibling(name.substring(0, name.length() - ".lock".length()) + ".tmp");
        LOG.warn("deleting {}, which a killed process left", sibling);
        FileTree.delete(sibling);
        Files.deleteIfExists(lock);
      }
    } catch (OverlappingFileLockException | NoSuchFileException e) {
      LOG.debug("{} is in use, or was just deleted", lock, e);
    }
  }
}
