package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.files.FilePart;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.Locale;
import java.util.Map;

/**
 * Checks the sizes in the first directory of a TIFF before Java's decoder allocates memory for
 * them. The layout is that of TIFF 6.0, section 2.
 */
final class TiffLimits {
  private static final int WIDTH = 256;
  private static final int LENGTH = 257;
  private static final int SAMPLES = 277;
  private static final int STRIP_BYTES = 279;
  private static final int TILE_WIDTH = 322;
  private static final int TILE_LENGTH = 323;
  private static final int TILE_BYTES = 325;
  private static final int MAX_SAMPLES = 8;
  private static final int[] TYPE_BYTES = {0, 1, 1, 2, 4, 8, 1, 1, 2, 4, 8, 4, 8, 4};

  private final Path file;
  private final FileChannel channel;
  private final ByteOrder order;
  private final Map<Integer, Entry> entries = new HashMap<>();

  /** A field of the directory; its values are at an offset of the file. */
  private record Entry(int type, long count, long offset) {}

  private TiffLimits(Path file, FileChannel channel) throws IOException {
    this.file = file;
    this.channel = channel;
    order = bytes(0, 2).get(0) == 'I' ? ByteOrder.LITTLE_ENDIAN : ByteOrder.BIG_ENDIAN;
    long directory = bytes(4, 4).order(order).getInt() & 0xFFFFFFFFL;
    int fields = bytes(directory, 2).order(order).getShort() & 0xFFFF;
    for (int i = 0; i < fields; i++) {
      long at = directory + 2 + 12L * i;
      ByteBuffer field = bytes(at, 12).order(order);
      int tag = field.getShort() & 0xFFFF;
      int type = field.getShort() & 0xFFFF;
      long count = field.getInt() & 0xFFFFFFFFL;
      long size = type < TYPE_BYTES.length ? count * TYPE_BYTES[type] : 0;
      if (size > channel.size()) {
        throw damaged(String.format(Locale.ROOT, "field %d has %d bytes", tag, size));
      }
      long offset = size <= 4 ? at + 8 : field.getInt() & 0xFFFFFFFFL;
      entries.put(tag, new Entry(type, count, offset));
    }
  }

  /**
   * Checks a file.
   *
   * @throws InvalidInput when the image is too large, or its parts do not fit into the file
   */
  static void check(Path file) throws IOException {
    try (FileChannel channel = FileChannel.open(file)) {
      new TiffLimits(file, channel).check();
    }
  }

  private void check() throws IOException {
    long width = value(WIDTH, 0, 0);
    long height = value(LENGTH, 0, 0);
    ImageFile.requireSize(file, width, height);
    // A tile at the border may be larger than the image, but one tile's row and column only.
    ImageFile.requireSize(file, value(TILE_WIDTH, 0, 1), value(TILE_LENGTH, 0, 1));
    long samples = value(SAMPLES, 0, 1);
    if (samples < 1 || samples > MAX_SAMPLES) {
      throw damaged(
          String.format(
              Locale.ROOT, "%d samples a pixel, expected at most %d", samples, MAX_SAMPLES));
    }
    requireParts(STRIP_BYTES);
    requireParts(TILE_BYTES);
  }

  private void requireParts(int tag) throws IOException {
    Entry entry = entries.get(tag);
    for (long i = 0; entry != null && i < entry.count(); i++) {
      long size = value(tag, i, 0);
      if (size > channel.size()) {
        throw damaged(
            String.format(Locale.ROOT, "a part of %d bytes in a file of %d", size, channel.size()));
      }
    }
  }

  private long value(int tag, long index, long missing) throws IOException {
    Entry entry = entries.get(tag);
    if (entry == null) {
      return missing;
    }
    return switch (entry.type()) {
      case 3 -> bytes(entry.offset() + 2 * index, 2).order(order).getShort() & 0xFFFF;
      case 4 -> bytes(entry.offset() + 4 * index, 4).order(order).getInt() & 0xFFFFFFFFL;
      default ->
          throw damaged(String.format(Locale.ROOT, "field %d has type %d", tag, entry.type()));
    };
  }

  private ByteBuffer bytes(long offset, int size) throws IOException {
    ByteBuffer buffer = ByteBuffer.allocate(size);
    if (!FilePart.read(channel, offset, buffer)) {
      throw new EOFException("the file is truncated");
    }
    return buffer.flip();
  }

  private InvalidInput damaged(String what) {
    return new InvalidInput("%s: cannot be decoded: %s".formatted(file, what));
  }
}
