package io.fisherstreams.merge.payload;

import io.fisherstreams.files.FilePart;
import io.fisherstreams.metrics.Meter;
import io.micrometer.core.instrument.Counter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.zip.CRC32C;

/**
 * A local copy of payloads, each at the offset that a {@link
 * io.fisherstreams.tensor.PartitionLayout} gives it. The copy is never trusted: a crash or an
 * aborted transaction may have left anything in it, so before a slot is used for the first time
 * after opening, its content is compared with the checksum in the state store. The file is read and
 * written by system calls, not through a memory map: on a full disk a call fails with an exception,
 * and a read costs the same however long ago the file was used, whereas a map may cost a page fault
 * for every 4 KiB each time (measured in a virtual machine: 0.9 GB/s after ten idle seconds,
 * against 15 to 20). Used by one thread.
 */
public final class PayloadFile {
  private static final int PAGE = 256;
  private static final Counter READ = Meter.PAYLOADS_READ.counter();

  private final Path path;
  private final Predicate<Path> recycle;
  private final Consumer<PayloadFile> onUse;
  private final BitSet verified = new BitSet();
  // By page: a huge model of which one shard has come must not cost memory for all of them.
  private int[][] crcs = new int[1][];
  private final ByteBuffer scratch;
  private FileChannel channel;

  /**
   * @param recycle moves a recycled file to a path, if there is one: its pages are in the page
   *     cache and its blocks are allocated already
   * @param onUse called before every use of the file's handle, which {@link #release} closes
   * @param scratch a direct buffer, through which a payload is read for its checksum
   */
  PayloadFile(Path path, Predicate<Path> recycle, Consumer<PayloadFile> onUse, ByteBuffer scratch) {
    this.path = path;
    this.recycle = recycle;
    this.onUse = onUse;
    this.scratch = scratch;
  }

  Path path() {
    return path;
  }

  /** Writes the remaining bytes of {@code data} at {@code position} and returns their CRC-32C. */
  public int write(int slot, long position, ByteBuffer data) {
    int crc = crc(data);
    verified.clear(slot);
    onUse.accept(this);
    try {
      FilePart.write(channel(), position, data.duplicate());
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + path + ": " + e.getMessage(), e);
    }
    verify(slot, crc);
    return crc;
  }

  /** Remembers a slot's checksum: one slot is used for one payload after another. */
  private void verify(int slot, int crc) {
    int page = slot / PAGE;
    if (page >= crcs.length) {
      crcs = Arrays.copyOf(crcs, Math.max(page + 1, 2 * crcs.length));
    }
    if (crcs[page] == null) {
      crcs[page] = new int[PAGE];
    }
    crcs[page][slot % PAGE] = crc;
    verified.set(slot);
  }

  /**
   * Replaces the content of {@code target} by {@code bytes} bytes from {@code position} on. A
   * direct buffer saves a copy.
   *
   * @throws IllegalStateException when the file ends earlier
   */
  public void read(long position, int bytes, ByteBuffer target) {
    onUse.accept(this);
    if (!fill(position, target.clear().limit(bytes))) {
      throw new IllegalStateException(path + " ends before " + (position + bytes));
    }
    target.flip();
  }

  /** A new buffer of {@code bytes} bytes from {@code position} on. */
  public ByteBuffer read(long position, int bytes) {
    ByteBuffer target = ByteBuffer.allocate(bytes);
    read(position, bytes, target);
    return target;
  }

  private boolean fill(long position, ByteBuffer target) {
    try {
      boolean isFull = FilePart.read(channel(), position, target);
      READ.increment(target.position());
      return isFull;
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  /** Whether {@code slot} holds {@code bytes} bytes with this checksum. */
  public boolean holds(int slot, long position, int bytes, int crc) {
    if (verified.get(slot)) {
      return crcs[slot / PAGE][slot % PAGE] == crc;
    }
    if (!Files.exists(path)) {
      return false;
    }
    onUse.accept(this);
    CRC32C found = new CRC32C();
    for (int done = 0; done < bytes; done += scratch.limit()) {
      scratch.clear().limit(Math.min(scratch.capacity(), bytes - done));
      if (!fill(position + done, scratch)) {
        return false;
      }
      found.update(scratch.flip());
    }
    if ((int) found.getValue() != crc) {
      return false;
    }
    verify(slot, crc);
    return true;
  }

  /** The CRC-32C of the remaining bytes. */
  public static int crc(ByteBuffer data) {
    CRC32C crc = new CRC32C();
    crc.update(data.duplicate());
    return (int) crc.getValue();
  }

  private FileChannel channel() throws IOException {
    if (channel == null) {
      if (!Files.exists(path)) {
        Files.createDirectories(path.getParent());
        if (!recycle.test(path)) {
          Files.createFile(path);
        }
      }
      channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }
    return channel;
  }

  /** Closes the file's handle; the next use opens it again. */
  void release() {
    try {
      if (channel != null) {
        channel.close();
        channel = null;
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot close " + path, e);
    }
  }
}
