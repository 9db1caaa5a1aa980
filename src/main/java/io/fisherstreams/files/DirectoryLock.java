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

/** Locks a folder against other instances until the lock is closed or the process ends. */
public final class DirectoryLock implements AutoCloseable {
  private final FileChannel lockFile;

  private DirectoryLock(FileChannel lockFile) {
    this.lockFile = lockFile;
  }

  /**
   * Locks a folder, and creates it if it does not exist.
   *
   * @throws InvalidInput when another instance has locked it
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
        // this process has the lock already: reported like another process's lock
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
