package io.fisherstreams.merge;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Arrays;
import java.util.BitSet;
import java.util.zip.CRC32C;

/**
 * A local copy of payloads, each at the place that a {@link
 * io.fisherstreams.tensor.PartitionLayout} gives it. The copy is never trusted: what a slot holds
 * is compared with its checksum in the state store before its first use after opening, because a
 * crash or an aborted transaction may have left anything there. Used by one thread.
 */
final class PayloadFile {
  private final Path path;
  private final BitSet verified = new BitSet();
  private int[] crcs = new int[16];
  private FileChannel channel;

  PayloadFile(Path path) {
    this.path = path;
  }

  Path path() {
    return path;
  }

  /** Writes the remaining bytes of {@code data} at {@code position} and returns their CRC-32C. */
  int write(int slot, long position, ByteBuffer data) {
    int crc = crc(data);
    verified.clear(slot);
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
    if (!fill(position, target)) {
      throw new IllegalStateException(path + " ends before " + (position + target.limit()));
    }
  }

  private boolean fill(long position, ByteBuffer target) {
    try {
      while (target.hasRemaining()) {
        int read = channel().read(target, position);
        if (read < 0) {
          return false;
        }
        position += read;
      }
    } catch (IOException e) {
      throw new UncheckedIOException("cannot read " + path + ": " + e.getMessage(), e);
    }
    target.flip();
    return true;
  }

  /**
   * Whether {@code slot} holds {@code bytes} bytes with this checksum; {@code scratch} is
   * overwritten.
   */
  boolean holds(int slot, long position, int bytes, int crc, ByteBuffer scratch) {
    if (verified.get(slot)) {
      return crcs[slot] == crc;
    }
    if (!Files.exists(path)) {
      return false;
    }
    scratch.clear().limit(bytes);
    if (!fill(position, scratch) || crc(scratch) != crc) {
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

  private FileChannel open() throws IOException {
    return FileChannel.open(
        path, StandardOpenOption.CREATE, StandardOpenOption.READ, StandardOpenOption.WRITE);
  }

  private FileChannel channel() throws IOException {
    if (channel == null) {
      try {
        channel = open();
      } catch (NoSuchFileException e) {
        Files.createDirectories(path.getParent());
        channel = open();
      }
    }
    return channel;
  }

  /** Releases the file handle; the next use opens it again. */
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
