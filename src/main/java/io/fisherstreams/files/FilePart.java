package io.fisherstreams.files;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;

/** Reads and writes parts of a file at a position, however many system calls that takes. */
public final class FilePart {
  private FilePart() {}

  /**
   * Reads until the buffer is full.
   *
   * @param position of the part's first byte in the file
   * @param target receives the bytes from its position to its limit
   * @return false when the file ends before that; the buffer's position tells how many bytes came
   */
  public static boolean read(FileChannel file, long position, ByteBuffer target)
      throws IOException {
    long at = position;
    int count = 0;
    while (target.hasRemaining() && count >= 0) {
      count = file.read(target, at);
      at += count;
    }
    return count >= 0;
  }

  /**
   * Writes the remaining bytes of a buffer.
   *
   * @param position of the part's first byte in the file
   */
  public static void write(FileChannel file, long position, ByteBuffer bytes) throws IOException {
    long at = position;
    while (bytes.hasRemaining()) {
      at += file.write(bytes, at);
    }
  }
}
