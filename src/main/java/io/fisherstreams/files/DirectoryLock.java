package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;

/** Keeps other instances out of a folder until it is closed or the process ends. */
public final class DirectoryLock implements AutoCloseable {
  private final FileChannel lockFile;

  private DirectoryLock(FileChannel lockFile) {
    this.lockFile = lockFile;
  }

  /**
   * Locks a folder, creating it.
   *
   * @throws InvalidInput when another instance has it
   */
  public static DirectoryLock lock(Path directory) {
    try {
      Files.createDirectories(directory);
      FileChannel channel =
          FileChannel.open(
              directory.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
      FileLock lock = null;
      try {
        lock = channel.tryLock();
      } catch (OverlappingFileLockException e) {
        // held by this very process: the same answer as for another one
      }
      if (lock == null) {
        channel.close();
        throw new InvalidInput(
            directory
                + " is in use by another instance; give every instance a state directory of its own");
      }
      return new DirectoryLock(channel);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot open the state directory " + directory, e);
    }
  }

  @Override
  public void close() {
    try {
      lockFile.close();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
