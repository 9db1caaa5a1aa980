package io.fisherstreams.merge.payload;

import com.sun.management.UnixOperatingSystemMXBean;
import io.fisherstreams.files.DirectoryLock;
import io.fisherstreams.files.FileTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.LongSupplier;
import java.util.stream.Stream;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The folder in which one process keeps local copies of payloads. It is outside Kafka Streams'
 * state directory on purpose: an unclean exit deletes that directory, whereas these copies are
 * verified by checksum and used again. A lock keeps a second process out. When a partition is
 * reassigned, its copies are kept for a while, because the partition often comes back. Thread-safe.
 */
public final class PayloadStore implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PayloadStore.class);

  /** How many files a partition may always keep open. */
  static final int MIN_OPEN = 64;

  private static final long DESCRIPTORS =
      ManagementFactory.getOperatingSystemMXBean() instanceof UnixOperatingSystemMXBean unix
          ? Math.min(unix.getMaxFileDescriptorCount(), 1 << 20)
          : 1024;

  private final Path directory;
  private final DirectoryLock lock;
  private final LongSupplier nanoTime;
  private final ScheduledThreadPoolExecutor cleaner;
  private final AtomicInteger openPartitions = new AtomicInteger();
  private final Map<Integer, Integer> users = new TreeMap<>();
  private final Map<Integer, Long> idleSince = new TreeMap<>();

  private PayloadStore(Path directory, DirectoryLock lock, LongSupplier nanoTime) {
    this.directory = directory;
    this.lock = lock;
    this.nanoTime = nanoTime;
    cleaner =
        new ScheduledThreadPoolExecutor(
            1,
            task -> {
              Thread thread = new Thread(task, "payload-cleaner");
              thread.setDaemon(true);
              return thread;
            });
    partitionFolders().forEach(partition -> idleSince.put(partition, nanoTime.getAsLong()));
  }

  /**
   * Opens the store, creating its folder.
   *
   * @throws io.fisherstreams.InvalidInput when another process has it open
   */
  public static PayloadStore open(Path directory) {
    return open(directory, System::nanoTime);
  }

  /** Opens the store with a clock that measures how long a partition is unused. */
  static PayloadStore open(Path directory, LongSupplier nanoTime) {
    return new PayloadStore(directory, DirectoryLock.lock(directory), nanoTime);
  }

  private List<Integer> partitionFolders() {
    try (Stream<Path> files = Files.list(directory)) {
      return files
          .filter(Files::isDirectory)
          .map(folder -> folder.getFileName().toString())
          .filter(name -> name.matches("\\d{1,9}"))
          .map(Integer::valueOf)
          .toList();
    } catch (IOException e) {
      throw new UncheckedIOException("cannot list " + directory, e);
    }
  }

  /** The copies of one partition; the task that runs the partition closes them. */
  public synchronized PartitionPayloads partition(int partition) {
    openPartitions.incrementAndGet();
    users.merge(partition, 1, Integer::sum);
    idleSince.remove(partition);
    return new PartitionPayloads(folder(partition), this::openFiles, () -> closed(partition));
  }

  private synchronized void closed(int partition) {
    openPartitions.decrementAndGet();
    if (users.merge(partition, -1, Integer::sum) == 0) {
      idleSince.put(partition, nanoTime.getAsLong());
    }
  }

  private Path folder(int partition) {
    return directory.resolve(Integer.toString(partition));
  }

  /** How many files each open partition may keep open: all of them together half of our limit. */
  private int openFiles() {
    return (int) Math.max(MIN_OPEN, DESCRIPTORS / 2 / Math.max(1, openPartitions.get()));
  }

  /** Starts to remove the copies of every partition that no task has used for {@code keep}. */
  @SuppressWarnings("FutureReturnValueIgnored") // it ends with the executor
  public void cleanAfter(Duration keep) {
    long pause = Math.max(1, keep.toMillis());
    cleaner.scheduleWithFixedDelay(() -> clean(keep), pause, pause, TimeUnit.MILLISECONDS);
  }

  /**
   * Removes the copies of partitions that no task has used for {@code keep}. A task that is
   * assigned such a partition meanwhile waits until its copies are removed.
   */
  public synchronized void clean(Duration keep) {
    long now = nanoTime.getAsLong();
    idleSince
        .entrySet()
        .removeIf(idle -> now - idle.getValue() >= keep.toNanos() && remove(folder(idle.getKey())));
  }

  private static boolean remove(Path folder) {
    try {
      FileTree.delete(folder);
      LOG.info("removed {}: no task of this process has used its partition for a while", folder);
      return true;
    } catch (UncheckedIOException e) {
      LOG.warn("cannot remove {}; will try again later", folder, e);
      return false;
    }
  }

  @Override
  public void close() {
    cleaner.shutdownNow();
    synchronized (this) { // not during a removal: the next process may open the folder then
      lock.close();
    }
  }
}
