package io.fisherstreams.files;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;

/**
 * A locked file that says to other processes that temporary files are in use. The lock ends with
 * its process, however that ends; then the next process may remove the files.
 *
 * @param file deleted when the lock is closed
 */
record InUseLock(FileChannel channel, Path file) implements AutoCloseable {
  // A process that closes any channel of a file gives up its locks of that file, so its own lock
  // files must not be opened to look at them.
  private static final Set<Path> OWN = ConcurrentHashMap.newKeySet();

  /**
   * Creates and locks a new file; empty when another process took it for abandoned in between, and
   * removes it.
   *
   * @throws IOException when the file exists or cannot be created
   */
  static Optional<InUseLock> create(Path file) throws IOException {
    Path own = identity(file);
    if (!OWN.add(own)) {
      throw new FileAlreadyExistsException(own.toString());
    }
    boolean locked = false;
    try {
      FileChannel channel =
          FileChannel.open(own, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
      locked = channel.tryLock() != null;
      if (!locked) {
        channel.close();
      }
      return locked ? Optional.of(new InUseLock(channel, own)) : Optional.empty();
    } finally {
      if (!locked) {
        OWN.remove(own);
      }
    }
  }

  /** Runs a removal if nobody holds the lock of this file. */
  static void ifAbandoned(Path file, Runnable removal) {
    try {
      if (OWN.contains(identity(file))) {
        return;
      }
      try (FileChannel other = FileChannel.open(file, StandardOpenOption.WRITE)) {
        if (other.tryLock() != null) {
          removal.run();
        }
      }
    } catch (IOException e) {
      return; // removed by another process, or no lock of this class
    }
  }

  private static Path identity(Path file) throws IOException {
    return file.toAbsolutePath().getParent().toRealPath().resolve(file.getFileName());
  }

  @Override
  public void close() {
    try {
      Files.deleteIfExists(file);
      channel.close();
      OWN.remove(file);
    } catch (IOException e) {
      throw new UncheckedIOException(file + " cannot be deleted", e);
    }
  }
}
