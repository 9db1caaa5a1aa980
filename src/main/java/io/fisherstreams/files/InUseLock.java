package io.fisherstreams.files;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;

/**
 * A locked file that says to other processes that temporary files are in use. The lock ends with
 * its process, however that ends; then the next process may remove the files.
 *
 * @param file deleted when the lock is closed
 */
record InUseLock(FileChannel channel, Path file) implements AutoCloseable {
  /**
   * Creates and locks a new file; empty when another process took it for abandoned in between, and
   * removes it.
   *
   * @throws IOException when the file exists or cannot be created
   */
  static Optional<InUseLock> create(Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    if (channel.tryLock() == null) {
      channel.close();
      return Optional.empty();
    }
    return Optional.of(new InUseLock(channel, file));
  }

  /** Runs a removal if nobody holds the lock of this file. */
  static void ifAbandoned(Path file, Runnable removal) {
    try (FileChannel other = FileChannel.open(file, StandardOpenOption.WRITE)) {
      if (other.tryLock() != null) {
        removal.run();
      }
    } catch (OverlappingFileLockException | IOException e) {
      return; // this process's own, removed by another one, or no lock of this class
    }
  }

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
