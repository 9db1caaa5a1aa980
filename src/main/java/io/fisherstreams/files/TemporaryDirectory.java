package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;

/**
 * A folder that is removed with its content by {@link #close()}, or when the process is stopped
 * before that.
 */
public final class TemporaryDirectory implements AutoCloseable {
  private final Path path;
  private final Thread hook;

  private TemporaryDirectory(Path path) {
    this.path = path;
    this.hook = new Thread(this::remove, "remove " + path);
    Runtime.getRuntime().addShutdownHook(hook);
  }

  /** A new folder in {@code parent}, or in the system's temporary folder when that is null. */
  public static TemporaryDirectory create(Path parent) {
    try {
      return new TemporaryDirectory(
          parent == null
              ? Files.createTempDirectory("fisher-streams-")
              : Files.createTempDirectory(parent, "fisher-streams-"));
    } catch (IOException e) {
      throw parent == null
          ? new InvalidInput("cannot create a temporary folder: " + e.getMessage(), e)
          : InvalidInput.unwritable(parent, e);
    }
  }

  /** The folder. */
  public Path path() {
    return path;
  }

  @Override
  public void close() {
    remove();
    try {
      Runtime.getRuntime().removeShutdownHook(hook);
    } catch (IllegalStateException e) {
      // already shutting down: the hook finds nothing to remove
    }
  }

  private void remove() {
    FileTree.delete(path);
  }
}
