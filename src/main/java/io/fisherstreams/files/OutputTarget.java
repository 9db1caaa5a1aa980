package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Stream;

/**
 * Where an output is to appear. Making one checks the path, so a bad one is found before the work
 * whose result it would receive.
 *
 * @param path absolute and without symbolic links, so that a rename replaces the file behind a link
 * @param isFolder whether the output is a folder of files
 */
public record OutputTarget(Path path, boolean isFolder) {

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
    try {
      Path resolved = Files.exists(target) ? target.toRealPath() : target.toAbsolutePath();
      Path parent = resolved.getParent();
      if (parent == null) {
        throw new InvalidInput(target + " cannot be written to");
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
}
