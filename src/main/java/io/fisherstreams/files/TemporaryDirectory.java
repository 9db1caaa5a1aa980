package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.DirectoryStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * A folder that is removed with its content by {@link #close()}, or when the process is stopped
 * before that. A process that is killed leaves it; the next one that makes a temporary folder at
 * the same place removes it. A lock tells that its owner is alive.
 */
public final class TemporaryDirectory implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(TemporaryDirectory.class);
  private static final String PREFIX = "fisher-streams-";
  private static final String LOCK = ".in-use";
  // While the process stops, its other threads may still write.
  private static final int ATTEMPTS = 20;

  private final Path path;
  private final InUseLock lock;
  private final CleanUp cleanUp;

  private TemporaryDirectory(Path path, InUseLock lock) {
    this.path = path;
    this.lock = lock;
    this.cleanUp = CleanUp.onStop(path.toString(), this::remove);
  }

  /** A new folder in {@code parent}, or in the system's temporary folder when that is null. */
  public static TemporaryDirectory create(Path parent) {
    Path place = parent == null ? Path.of(System.getProperty("java.io.tmpdir")) : parent;
    if (Files.exists(place) && !Files.isDirectory(place)) {
      throw new InvalidInput(place + " is a file, expected a folder for temporary files");
    }
    try {
      removeLeftovers(place);
      while (true) {
        Path path = Files.createTempDirectory(place, PREFIX);
        Optional<InUseLock> lock = InUseLock.create(path.resolve(LOCK));
        if (lock.isPresent()) {
          return new TemporaryDirectory(path, lock.get());
        }
      }
    } catch (IOException e) {
      throw new InvalidInput(
          "%s: cannot make a temporary folder: %s".formatted(place, InvalidInput.reason(e)), e);
    }
  }

  private static void removeLeftovers(Path place) throws IOException {
    try (DirectoryStream<Path> found = Files.newDirectoryStream(place, PREFIX + "*")) {
      for (Path folder : found) {
        InUseLock.ifAbandoned(
            folder.resolve(LOCK),
            () -> {
              LOG.warn("removing {}, which a killed process left", folder);
              FileTree.delete(folder);
            });
      }
    }
  }

  /** The folder. */
  public Path path() {
    return path;
  }

  @Override
  public void close() {
    cleanUp.close();
    if (!CleanUp.isStopping()) {
      remove();
    }
  }

  private void remove() {
    for (int attempt = 1; Files.exists(path); attempt++) {
      try {
        FileTree.delete(path);
      } catch (UncheckedIOException e) {
        if (attempt == ATTEMPTS) {
          throw e;
        }
      }
    }
    lock.close();
  }
}
