package io.fisherstreams.merge;

import com.sun.management.UnixOperatingSystemMXBean;
import io.fisherstreams.record.DirectoryLock;
import java.lang.management.ManagementFactory;
import java.nio.file.Path;
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
  private final DirectoryLock lock;
  private final AtomicInteger openPartitions = new AtomicInteger();

  private PayloadStore(Path directory, DirectoryLock lock) {
    this.directory = directory;
    this.lock = lock;
  }

  /**
   * Opens the store, creating its folder.
   *
   * @throws io.fisherstreams.InvalidInput when another process has it open
   */
  public static PayloadStore open(Path directory) {
    return new PayloadStore(directory, DirectoryLock.lock(directory));
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
    lock.close();
  }
}
