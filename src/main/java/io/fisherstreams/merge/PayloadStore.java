package io.fisherstreams.merge;

import com.sun.management.UnixOperatingSystemMXBean;
import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The folder under which one process keeps local copies of payloads. It lies outside Kafka Streams'
 * state directory on purpose: an unclean exit wipes the latter, while these copies are checked by
 * checksum and used again. A lock keeps a second process out.
 */
public final class PayloadStore implements AutoCloseable {
  private static final long FEWEST_OPEN = 64;
  private static final long DESCRIPTORS =
      ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
          ? Math.min(unix.getMaxFileDescriptorCount(), 1 << 20)
          : 1024;

  private final Path directory;
  private final FileChannel lockFile;
  private final AtomicInteger openPartitions = new AtomicInteger();

  private PayloadStore(Path directory, FileChannel lockFile) {
    this.directory = directory;
    this.lockFile = lockFile;
  }

  /**
   * Opens the store, creating its folder.
   *
   * @throws InvalidInput when another process has it open
   */
  public static PayloadStore open(Path directory) {
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
      return new PayloadStore(directory, channel);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot open the state directory " + directory, e);
    }
  }

  /** The copies of one partition, to be closed by the task that has it. */
  PartitionPayloads partition(int partition) {
    openPartitions.incrementAndGet();
    return new PartitionPayloads(
        directory.resolve(Integer.toString(partition)),
        this::openFiles,
        openPartitions::decrementAndGet);
  }

  /** How many files each open partition may keep open: all together half of what we may have. */
  private int openFiles() {
    return (int) Math.max(FEWEST_OPEN, DESCRIPTORS / 2 / Math.max(1, openPartitions.get()));
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
