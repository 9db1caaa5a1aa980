package io.fisherstreams.merge;

import io.fisherstreams.checkpoint.DType;
import io.fisherstreams.checkpoint.MappedMemory;
import io.fisherstreams.checkpoint.Numbers;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.MappedByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.channels.FileChannel.MapMode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.BitSet;
import java.util.function.Consumer;
import java.util.function.Predicate;
import java.util.zip.CRC32C;

/**
 * A local copy of payloads, each at the place that a {@link
 * io.fisherstreams.tensor.PartitionLayout} gives it. The copy is never trusted: what a slot holds
 * is compared with its checksum in the state store before its first use after opening, because a
 * crash or an aborted transaction may have left anything there. It is written by calls, whose
 * failure on a full disk is an exception, and read through maps, which spares a copy of all that a
 * plan reads. Used by one thread.
 */
final class PayloadFile {
  /** Bytes of the file to a map; a map goes on into the next one's by {@link #MOST_BYTES}. */
  private static final long WINDOW = 1L << 30;

  /** The most that is read at once. */
  static final int MOST_BYTES = 1 << 23;

  private final Path path;
  private final Predicate<Path> spares;
  private final Consumer<PayloadFile> onUse;
  private final BitSet verified = new BitSet();
  private int[] crcs = new int[16];
  private FileChannel channel;
  private MappedByteBuffer[] maps = new MappedByteBuffer[1];

  /**
   * @param spares moves a file that is not needed any more to a path, if it has one: its memory in
   *     the disk cache and its blocks are there already
   * @param onUse called before every use of the file's handle or maps, which {@link #release} gives
   *     back
   */
  PayloadFile(Path path, Predicate<Path> spares, Consumer<PayloadFile> onUse) {
    this.path = path;
    this.spares = spares;
    this.onUse = onUse;
  }

  Path path() {
    return path;
  }

  /** Writes the remaining bytes of {@code data} at {@code position} and returns their CRC-32C. */
  int write(int slot, long position, ByteBuffer data) {
    int crc = crc(data);
    verified.clear(slot);
    onUse.accept(this);
    try {
      ByteBuffer rest = data.duplicate();
      while (rest.hasRemaining()) {
        position += channel().write(rest, position);
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + path + ": " + e.getMessage(), e);
    }
    verify(slot, crc);
    return crc;
  }

  /** Remembers what a slot holds: the same slot is used for one payload after another. */
  private void verify(int slot, int crc) {
    if (slot >= crcs.length) {
      crcs = Arrays.copyOf(crcs, Math.max(slot + 1, 2 * crcs.length));
    }
    crcs[slot] = crc;
    verified.set(slot);
  }

  /**
   * Fills {@code target} from {@code position} on and flips it.
   *
   * @throws IllegalStateException when the file ends before
   */
  void read(long position, ByteBuffer target) {
    int bytes = target.remaining();
    target.put(target.position(), require(position, bytes), offset(position), bytes);
    target.position(target.limit()).flip();
  }

  /**
   * The file's {@code bytes} bytes from {@code position} on, as they lie there: good as long as
   * this is one of the partition's {@link PayloadStore#FEWEST_OPEN} files used last, because others
   * may lose their maps.
   *
   * @throws IllegalStateException when the file ends before
   */
  ByteBuffer view(long position, int bytes) {
    return require(position, bytes).slice(offset(position), bytes);
  }

  /**
   * Reads {@code elements} float32 numbers from {@code position} on.
   *
   * @throws IllegalStateException when the file ends before
   */
  void read(long position, float[] target, int elements) {
    MappedByteBuffer map = require(position, elements * Float.BYTES);
    Numbers.toFloat(DType.F32, map, offset(position), target, 0, elements);
  }

  /** The same with numbers of any floating type, as float64. */
  void read(long position, DType type, double[] target, int elements) {
    MappedByteBuffer map = require(position, elements * type.bytes());
    Numbers.toDouble(type, map, offset(position), target, 0, elements);
  }

  private static int offset(long position) {
    return (int) (position % WINDOW);
  }

  private MappedByteBuffer require(long position, int bytes) {
    MappedByteBuffer map = map(position, bytes);
    if (map == null) {
      throw new IllegalStateException(path + " ends before " + (position + bytes));
    }
    return map;
  }

  /** A map that has these bytes at {@link #offset}, or null when the file ends before. */
  private MappedByteBuffer map(long position, int bytes) {
    if (bytes > MOST_BYTES) {
      throw new IllegalArgumentException(bytes + " bytes at once, the most is " + MOST_BYTES);
    }
    onUse.accept(this);
    int window = (int) (position / WINDOW);
    if (window >= maps.length) {
      maps = Arrays.copyOf(maps, window + 1);
    }
    if (maps[window] == null || offset(position) + bytes > maps[window].limit()) {
      mapAgain(window);
    }
    return offset(position) + bytes > maps[window].limit() ? null : maps[window];
  }

  /** Maps a window up to where the file ends now. */
  private void mapAgain(int window) {
    try {
      unmap(window);
      long first = window * WINDOW;
      long bytes = Math.min(WINDOW + MOST_BYTES, channel().size() - first);
      maps[window] = channel().map(MapMode.READ_ONLY, first, Math.max(0, bytes));
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + path + ": " + e.getMessage(), e);
    }
  }

  private void unmap(int window) {
    if (maps[window] != null) {
      MappedMemory.unmap(maps[window]);
      maps[window] = null;
    }
  }

  /** Whether {@code slot} holds {@code bytes} bytes with this checksum. */
  boolean holds(int slot, long position, int bytes, int crc) {
    if (verified.get(slot)) {
      return crcs[slot] == crc;
    }
    if (!Files.exists(path)) {
      return false;
    }
    MappedByteBuffer map = map(position, bytes);
    if (map == null || crc(map.slice(offset(position), bytes)) != crc) {
      return false;
    }
    verify(slot, crc);
    return true;
  }

  static int crc(ByteBuffer data) {
    CRC32C crc = new CRC32C();
    crc.update(data.duplicate());
    return (int) crc.getValue();
  }

  private FileChannel channel() throws IOException {
    if (channel == null) {
      if (!Files.exists(path)) {
        Files.createDirectories(path.getParent());
        if (!spares.test(path)) {
          Files.createFile(path);
        }
      }
      channel = FileChannel.open(path, StandardOpenOption.READ, StandardOpenOption.WRITE);
    }
    return channel;
  }

  /** Releases the file's handle and maps; the next use opens it again. */
  void release() {
    for (int window = 0; window < maps.length; window++) {
      unmap(window);
    }
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
