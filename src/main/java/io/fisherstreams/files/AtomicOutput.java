package io.fisherstreams.files;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.util.Comparator;
import java.util.LinkedHashMap;
import java.util.Locale;
import java.util.Map;
import java.util.SortedSet;
import java.util.TreeSet;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;

/**
 * A large file, or a folder of files, that appears complete or not at all.
 *
 * <p>Everything is written to a hidden sibling of the target ({@code .NAME.RANDOM.tmp}). {@link
 * #commit()} renames the sibling to the target; {@link #close()} without a commit deletes it. A
 * process that is stopped deletes it; one that is killed leaves it, and the next output at the same
 * place deletes it. The target never changes before the commit. The rename replaces an existing
 * file. An existing folder must be empty: a folder with content cannot be replaced in one step, and
 * its content may be precious.
 *
 * <p>Several threads may write at the same time.
 */
public final class AtomicOutput implements AutoCloseable {
  private final OutputTarget target;
  private final Path temporary;
  private final InUseLock lock;
  private final CleanUp cleanUp;
  private final Map<Path, FileChannel> files = new LinkedHashMap<>();
  // The longest paths, which are the deepest, are deleted first.
  private final SortedSet<Path> folders = new TreeSet<>(Comparator.reverseOrder());

  // Writers share it; commit and close wait for them and then exclude further writers.
  private final ReadWriteLock access = new ReentrantReadWriteLock();
  private State state = State.OPEN;

  private enum State {
    OPEN,
    COMMITTED,
    CLOSED
  }

  /**
   * Begins an output.
   *
   * @param target where it is to appear
   */
  public AtomicOutput(OutputTarget target) {
    this.target = target;
    target.removeLeftovers();
    OutputTarget.Sibling sibling = target.createSibling();
    this.temporary = sibling.path();
    this.lock = sibling.lock();
    this.cleanUp = CleanUp.onStop(temporary.toString(), this::close);
  }

  /** Where the output is to appear. */
  public Path path() {
    return target.path();
  }

  /** A file of the output that can be written at any position. */
  public final class OutputFile {
    private final FileChannel channel;

    private OutputFile(FileChannel channel) {
      this.channel = channel;
    }

    /**
     * Writes bytes.
     *
     * @param bytes from the buffer's position to its limit; the position moves to the limit
     * @param position byte of the file at which the first one goes
     * @throws IllegalStateException after commit or close
     * @throws IOException when the bytes cannot be written, for example on a full disk
     */
    public void write(ByteBuffer bytes, long position) throws IOException {
      access.readLock().lock();
      try {
        requireOpen();
        FilePart.write(channel, position, bytes);
      } finally {
        access.readLock().unlock();
      }
    }
  }

  /** Creates the file of an output that is a single file. */
  public OutputFile create() throws IOException {
    return create(temporary);
  }

  /**
   * Creates a file of an output that is a folder.
   *
   * @param name a {@linkplain FileName#isPlain plain} file name
   */
  public OutputFile create(String name) throws IOException {
    return create(temporary.resolve(name));
  }

  private OutputFile create(Path file) throws IOException {
    access.writeLock().lock();
    try {
      requireOpen();
      return new OutputFile(open(file));
    } finally {
      access.writeLock().unlock();
    }
  }

  /**
   * Adds a copy of a file to the folder.
   *
   * @throws InvalidInput when the source cannot be read
   * @param name a {@linkplain FileName#isPlain plain} name, or several with slashes between them
   * @throws IllegalArgumentException when the folder already has this name or a part of it is not
   *     plain
   * @throws IllegalStateException for a single file, or after commit or close
   */
  public void add(String name, Path source) {
    if (!Files.isRegularFile(source) || !Files.isReadable(source)) {
      throw new InvalidInput(source + " is no file that can be read");
    }
    add(
        name,
        channel -> {
          try (FileChannel in = FileChannel.open(source, StandardOpenOption.READ)) {
            long size = in.size();
            for (long done = 0; done < size; ) {
              long copied = in.transferTo(done, size - done, channel);
              if (copied == 0) {
                throw new IOException(source + " became shorter while it was copied");
              }
              done += copied;
            }
          }
        });
  }

  /**
   * Adds a file of this content to the folder.
   *
   * @param name a {@linkplain FileName#isPlain plain} name, or several with slashes between them
   * @throws IllegalArgumentException when the folder already has this name or a part of it is not
   *     plain
   * @throws IllegalStateException for a single file, or after commit or close
   */
  public void add(String name, byte[] content) {
    add(name, channel -> FilePart.write(channel, 0, ByteBuffer.wrap(content)));
  }

  private interface Filler {
    void fill(FileChannel channel) throws IOException;
  }

  private void add(String name, Filler filler) {
    access.writeLock().lock();
    try {
      requireOpen();
      if (!target.isFolder()) {
        throw new IllegalStateException(
            path() + " is a single file: no further file can be added to it");
      }
      for (String part : name.split("/", -1)) {
        if (!FileName.isPlain(part)) {
          throw new IllegalArgumentException("'%s' is no plain file name".formatted(name));
        }
      }
      Path file = temporary.resolve(name);
      for (Path folder = file.getParent(); !folder.equals(temporary); folder = folder.getParent()) {
        folders.add(folder);
      }
      Files.createDirectories(file.getParent());
      FileChannel channel = open(file);
      try {
        filler.fill(channel);
      } catch (IOException e) {
        // A caller that goes on must not commit half a file.
        channel.close();
        Files.delete(file);
        files.remove(file);
        throw e;
      }
    } catch (FileAlreadyExistsException e) {
      throw new IllegalArgumentException("%s already has a file '%s'".formatted(path(), name), e);
    } catch (IOException e) {
      throw new UncheckedIOException("%s: file '%s' cannot be written".formatted(path(), name), e);
    } finally {
      access.writeLock().unlock();
    }
  }

  /**
   * Makes the output appear: everything reaches the disk, then one rename moves it to the target.
   *
   * @throws IllegalStateException after commit or close
   * @throws InvalidInput when the target folder has received content since the start
   * @throws UncheckedIOException when the output cannot be written
   */
  public void commit() {
    access.writeLock().lock();
    try {
      requireOpen();
      for (FileChannel channel : files.values()) {
        channel.force(true);
        channel.close();
      }
      if (target.isFolder()) {
        for (Path folder : folders) {
          syncFolder(folder);
        }
        syncFolder(temporary);
        target.requireAbsentOrEmpty();
      }
      Files.move(temporary, path(), StandardCopyOption.ATOMIC_MOVE);
      state = State.COMMITTED;
      release();
      syncFolder(path().getParent());
    } catch (IOException e) {
      throw new UncheckedIOException(path() + " cannot be written", e);
    } finally {
      access.writeLock().unlock();
    }
  }

  /** Ends the output. Without a {@link #commit()}, everything that was written is deleted. */
  @Override
  public void close() {
    access.writeLock().lock();
    try {
      if (state == State.OPEN) {
        state = State.CLOSED;
        deleteTemporary();
        release();
      }
    } catch (IOException e) {
      throw new UncheckedIOException(temporary + " cannot be deleted", e);
    } finally {
      access.writeLock().unlock();
    }
  }

  /**
   * Closes the output because of a failure. A second failure, of the closing itself, is attached to
   * the first one.
   */
  public void closeAfter(RuntimeException failure) {
    try {
      close();
    } catch (UncheckedIOException e) {
      failure.addSuppressed(e);
    }
  }

  private FileChannel open(Path file) throws IOException {
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE);
    files.put(file, channel);
    return channel;
  }

  private void release() {
    cleanUp.close();
    lock.close();
  }

  private void requireOpen() {
    if (state != State.OPEN) {
      throw new IllegalStateException(
          "%s was already %s".formatted(path(), state.name().toLowerCase(Locale.ROOT)));
    }
  }

  private void deleteTemporary() throws IOException {
    for (FileChannel channel : files.values()) {
      channel.close();
    }
    for (Path file : files.keySet()) {
      Files.deleteIfExists(file);
    }
    for (Path folder : folders) {
      Files.deleteIfExists(folder);
    }
    Files.deleteIfExists(temporary);
  }

  private static void syncFolder(Path folder) throws IOException {
    try (FileChannel channel = FileChannel.open(folder, StandardOpenOption.READ)) {
      channel.force(true);
    }
  }
}
