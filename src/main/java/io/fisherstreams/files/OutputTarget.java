package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
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
  private static final String OUTPUT = ".tmp";
  private static final String LOCK = ".lock";

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

  /** A hidden sibling of the target, and the lock that says that it is in use. */
  record Sibling(Path path, InUseLock lock) {}

  /** Chooses a new hidden name beside the target, and creates a folder there for a folder. */
  // Not Files.createTempFile: only the owner may read its files, and the rename keeps permissions.
  Sibling createSibling() {
    while (true) {
      String random = Long.toHexString(ThreadLocalRandom.current().nextLong());
      Path sibling = path.resolveSibling(".%s.%s".formatted(path.getFileName(), random) + OUTPUT);
      if (Files.exists(sibling)) {
        continue;
      }
      try {
        Optional<InUseLock> lock = InUseLock.create(renamed(sibling, OUTPUT, LOCK));
        if (lock.isEmpty()) {
          continue;
        }
        if (isFolder) {
          Files.createDirectory(sibling);
        }
        return new Sibling(sibling, lock.get());
      } catch (IOException e) {
        throw InvalidInput.unwritable(sibling, e);
      }
    }
  }

  /** Deletes the siblings of processes that were killed: nobody holds their locks. */
  void removeLeftovers() {
    String prefix = "." + path.getFileName() + ".";
    try (Stream<Path> files = Files.list(path.getParent())) {
      files
          .filter(file -> file.getFileName().toString().startsWith(prefix))
          .filter(file -> file.getFileName().toString().endsWith(LOCK))
          .forEach(lock -> InUseLock.ifAbandoned(lock, () -> remove(lock)));
    } catch (IOException e) {
      throw new UncheckedIOException(path.getParent() + " cannot be listed", e);
    }
  }

  private static void remove(Path lock) {
    Path sibling = renamed(lock, LOCK, OUTPUT);
    LOG.warn("deleting {}, which a killed process left", sibling);
    FileTree.delete(sibling);
    FileTree.delete(lock);
  }

  private static Path renamed(Path file, String from, String to) {
    String name = file.getFileName().toString();
    return file.resolveSibling(name.substring(0, name.length() - from.length()) + to);
  }
}
