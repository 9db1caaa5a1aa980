package io.fisherstreams.local;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributeView;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.List;
import java.util.stream.Stream;

/** The directory that {@code serve} keeps a pool in. Only its owner can read it. */
final class ServeDirectory {
  /** At least one of them is there from the first start on. */
  private static final List<String> CONTENT = List.of("kafka", "registry", ServeFile.NAME);

  private ServeDirectory() {}

  /**
   * Creates the directory when it is missing, and takes other users' permissions away.
   *
   * @throws InvalidInput when it is a file, has files that are no pool's, or cannot be written
   */
  static void prepare(Path directory) {
    if (Files.exists(directory) && !Files.isDirectory(directory)) {
      throw new InvalidInput(directory + " is a file, expected a directory");
    }
    try {
      Files.createDirectories(directory);
      if (!isEmpty(directory)
          && CONTENT.stream().noneMatch(name -> Files.exists(directory.resolve(name)))) {
        throw new InvalidInput(
            directory
                + " has other files; expected a new or empty directory, or one that serve has made");
      }
      if (Files.getFileAttributeView(directory, PosixFileAttributeView.class) != null) {
        Files.setPosixFilePermissions(directory, PosixFilePermissions.fromString("rwx------"));
      }
    } catch (IOException e) {
      throw InvalidInput.unwritable(directory, e);
    }
  }

  private static boolean isEmpty(Path directory) throws IOException {
    try (Stream<Path> files = Files.list(directory)) {
      return files.findAny().isEmpty();
    }
  }
}
