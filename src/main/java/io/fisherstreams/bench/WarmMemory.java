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
 * A page cache that is as fast as on a busy machine, for reading and for writing.
 *
 * <p>A virtual machine may return free memory to its host within a second. To touch it again then
 * costs several times a write (0.85 to 1.4 ms a mebibyte against 0.2 where we measured). Without
 * this class, of two measured programs the one that writes more, or later, would pay for the host's
 * page faults. So this class fills memory as the page cache of a file. While a program is measured,
 * it frees that memory bit by bit, about as fast as the program writes: the kernel reuses first the
 * pages that were freed last.
 *
 * <p>Such a machine may also drop pages that are not read several times a minute, however much
 * memory is free (Linux's DAMON, {@code /sys/kernel/mm/damon/admin}). In the quarter of a minute
 * between two arrivals it dropped some 50 MiB of a pool's files, in small pieces, and the arrival
 * waited 0.3 s for the disk. So the files that a program is going to read are read once more before
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
   * Fills the memory, as the page cache of a file in a directory, and begins to free it.
   *
   * @param read files and folders that the measured program is going to read
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
    // Its dirty pages would come near the share of memory at which the kernel slows writers down.
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
   * Writes back the dirty pages of the previous measurement, which would slow the next one down.
   * The broker may delete segments meanwhile.
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
