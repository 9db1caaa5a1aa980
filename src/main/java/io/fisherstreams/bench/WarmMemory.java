package io.fisherstreams.bench;

import io.fisherstreams.files.FileTree;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.List;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;

/**
 * A disk cache that costs what it costs on a machine in use, for reading and for writing.
 *
 * <p>A virtual machine may give free memory back to its host within a second; touching it again
 * then costs several times a write (0.85 to 1.4 ms a mebibyte against 0.2 where we measured).
 * Without this, whoever of two contestants writes more, or later, is measured by the host's page
 * faults. So this holds memory as the cache of a file, and while a contestant runs it frees it bit
 * by bit, about as fast as that one writes: the kernel hands out first what was freed last.
 *
 * <p>Such a machine may also drop from its cache, however much memory is free, what has not been
 * read several times a minute (Linux's DAMON, {@code /sys/kernel/mm/damon/admin}): in the quarter
 * of a minute between two arrivals some 50 MiB of a pool's files, in small pieces all over, and the
 * arrival waited 0.3 s for the disk. So what a contestant is going to read is read once more before
 * it starts.
 */
final class WarmMemory implements AutoCloseable {
  private static final int MIB = 1 << 20;
  private static final long HELD = 3072L * MIB;
  private static final long AT_ONCE = 256L * MIB;
  private static final long STEP = 32L * MIB;
  private static final long STEP_MILLIS = 40;

  private final FileChannel file;
  private final ScheduledExecutorService freeing = Executors.newSingleThreadScheduledExecutor();
  private long held;

  /**
   * Takes the memory, as the cache of a file in a directory, and begins to free it.
   *
   * @param read files and folders that the contestant is going to read
   */
  @SuppressWarnings("FutureReturnValueIgnored") // it ends with the executor
  WarmMemory(Path directory, List<Path> read) throws IOException {
    force(directory);
    file =
        FileChannel.open(
            directory.resolve("warm"),
            StandardOpenOption.CREATE,
            StandardOpenOption.WRITE,
            StandardOpenOption.DELETE_ON_CLOSE);
    ByteBuffer block = ByteBuffer.allocateDirect(MIB);
    while (held < HELD) {
      held += file.write(block.clear());
    }
    // Unwritten, it would come near the share of dirty memory from which the kernel slows writers.
    file.force(false);
    for (Path root : read) {
      FileTree.walk(root, file -> read(file, block), folder -> {});
    }
    free(AT_ONCE);
    freeing.scheduleAtFixedRate(() -> free(STEP), STEP_MILLIS, STEP_MILLIS, TimeUnit.MILLISECONDS);
  }

  private static void read(Path path, ByteBuffer block) throws IOException {
    try (FileChannel channel = FileChannel.open(path)) {
      while (channel.read(block.clear()) > 0) {}
    }
  }

  /**
   * Writes out what the contestant before has left: it would slow the next one down. Meanwhile the
   * broker may delete segments.
   */
  private static void force(Path directory) throws IOException {
    FileTree.walk(
        directory,
        path -> {
          try (FileChannel channel = FileChannel.open(path, StandardOpenOption.WRITE)) {
            channel.force(false);
          }
        },
        folder -> {});
  }

  private void free(long bytes) {
    held = Math.max(0, held - bytes);
    try {
      file.truncate(held);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public void close() throws IOException {
    freeing.shutdownNow();
    file.close();
  }
}
