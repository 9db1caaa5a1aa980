package io.fisherstreams.merge.payload;

import io.fisherstreams.files.FilePart;
import io.fisherstreams.metrics.Meter;
import io.micrometer.core.instrument.Counter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.Optional;
import java.util.UUID;
import java.util.zip.CRC32C;

/**
 * The kept sums of one partition's shards, block by block. Each block has a header that says which
 * models its sums hold, and a checksum of header and sums. A block is written in place: first its
 * sums, then its header. So a block that was written only in part has no valid checksum. Used by
 * one thread.
 */
public final class SumsFile implements AutoCloseable {
  /** Bytes of a block's header. */
  public static final int HEADER_BYTES = 64;

  private static final long MAGIC = 0x31_534d5553_5346L; // "FSSUMS1"
  private static final int CHECKSUM = HEADER_BYTES - Integer.BYTES;

  private static final Counter READ = Meter.SUMS_READ.counter();

  private final Path path;
  private final ByteBuffer header =
      ByteBuffer.allocateDirect(HEADER_BYTES).order(ByteOrder.LITTLE_ENDIAN);
  private FileChannel channel;

  /**
   * What a block's sums are.
   *
   * @param set names the models that they hold
   * @param outside how many of their terms are outside the range of the sums
   * @param isPrecise whether the result can be computed from the sums
   */
  public record Header(UUID set, long outside, boolean isPrecise) {}

  SumsFile(Path path) {
    this.path = path;
  }

  Path path() {
    return path;
  }

  /** Whether the file exists. */
  public boolean exists() {
    return Files.exists(path);
  }

  /**
   * The header of a block, whose sums are not read; empty when there is none of this size.
   *
   * @param position where the block begins
   * @param bytes of its sums
   */
  public Optional<Header> header(long position, int bytes) {
    if (channel == null && !exists()) {
      return Optional.empty();
    }
    if (!fill(position, header.clear())
        || header.getLong(0) != MAGIC
        || header.getInt(48) != bytes) {
      return Optional.empty();
    }
    return Optional.of(
        new Header(
            new UUID(header.getLong(8), header.getLong(16)),
            header.getLong(24),
            header.getInt(32) == 1));
  }

  /**
   * Reads a block whose {@link #header} was read before anything else.
   *
   * @param sums receives the sums from its first byte on
   * @return whether they are those that were written
   */
  public boolean read(long position, int bytes, ByteBuffer sums) {
    return fill(position + HEADER_BYTES, sums.clear().limit(bytes))
        && header.getInt(CHECKSUM) == checksum(sums.flip());
  }

  /**
   * Writes a block.
   *
   * @param sums from the first byte to the limit
   */
  public void write(long position, Header content, ByteBuffer sums) {
    header
        .clear()
        .putLong(0, MAGIC)
        .putLong(8, content.set().getMostSignificantBits())
        .putLong(16, content.set().getLeastSignificantBits())
        .putLong(24, content.outside())
        .putInt(32, content.isPrecise() ? 1 : 0)
        .putInt(48, sums.limit());
    header.putInt(CHECKSUM, checksum(sums));
    put(position + HEADER_BYTES, sums.duplicate().position(0));
    put(position, header);
  }

  private int checksum(ByteBuffer sums) {
    CRC32C crc = new CRC32C();
    crc.update(header.duplicate().clear().limit(CHECKSUM));
    crc.update(sums.duplicate().position(0));
    return (int) crc.getValue();
  }

  private void put(long position, ByteBuffer data) {
    try {
      FilePart.write(channel(), position, data);
    } catch (IOException e) {
      throw new UncheckedIOException("cannot write " + path + ": " + e.getMessage(), e);
    }
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

  private FileChannel channel() throws IOException {
    if (channel == null) {
      Files.createDirectories(path.getParent());
      channel =
          FileChannel.open(
              path, StandardOpenOption.READ, StandardOpenOption.WRITE, StandardOpenOption.CREATE);
    }
    return channel;
  }

  @Override
  public void close() {
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
