package io.fisherstreams.gradient.example;

import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/**
 * The first picture of a WebP file and its place on the canvas. The container is that of RFC 9649,
 * section 2. Transparency, profile, EXIF and further pictures are left out: libwebp's decoder of
 * one picture takes no animation, and the pixels need nothing else.
 *
 * @param bytes a WebP file of this picture alone
 * @param canvasWidth 0 when the file names no canvas: then the picture is all
 * @param canvasHeight 0 when the file names no canvas
 * @param left columns of the canvas before the picture
 * @param top rows of the canvas above the picture
 */
@SuppressWarnings("ArrayRecordComponent") // only carries data
record WebpFrame(byte[] bytes, int canvasWidth, int canvasHeight, int left, int top) {
  private static final int FILE_HEADER = 12;
  private static final int CHUNK_HEADER = 8;
  private static final int CANVAS_BYTES = 10;
  private static final int FRAME_HEADER = 16;

  /** What is known when the picture is reached. */
  private static final class Walk {
    private final ByteBuffer file;
    private int canvasWidth;
    private int canvasHeight;
    private int left;
    private int top;

    Walk(byte[] file) {
      this.file = ByteBuffer.wrap(file).order(ByteOrder.LITTLE_ENDIAN);
    }

    WebpFrame first() throws IOException {
      int at = FILE_HEADER;
      while (at + CHUNK_HEADER <= file.capacity()) {
        String type = new String(file.array(), at, 4, StandardCharsets.ISO_8859_1);
        int content = at + CHUNK_HEADER;
        int size = file.getInt(at + 4);
        if (type.equals("ANMF")) {
          requireSize(size, FRAME_HEADER);
          require(content, FRAME_HEADER);
          left = 2 * number(content);
          top = 2 * number(content + 3);
          at = content + FRAME_HEADER;
          continue;
        }
        require(content, size);
        if (type.equals("VP8 ") || type.equals("VP8L")) {
          return new WebpFrame(alone(at, content + size), canvasWidth, canvasHeight, left, top);
        }
        if (type.equals("VP8X")) {
          requireSize(size, CANVAS_BYTES);
          canvasWidth = 1 + number(content + 4);
          canvasHeight = 1 + number(content + 7);
        }
        at = content + size + (size & 1);
      }
      throw new EOFException("the file is truncated");
    }

    private static void requireSize(int size, int needed) throws IOException {
      if (size < needed) {
        throw new IOException("a part of its header is too short");
      }
    }

    private void require(int content, int size) throws IOException {
      if (size < 0 || size > file.capacity() - content) {
        throw new EOFException("the file is truncated");
      }
    }

    /** Three bytes. */
    private int number(int at) {
      return (file.getShort(at) & 0xFFFF) | ((file.get(at + 2) & 0xFF) << 16);
    }

    private byte[] alone(int start, int end) {
      byte[] result = Arrays.copyOf(file.array(), FILE_HEADER + end - start + (end - start & 1));
      System.arraycopy(file.array(), start, result, FILE_HEADER, end - start);
      ByteBuffer.wrap(result)
          .order(ByteOrder.LITTLE_ENDIAN)
          .putInt(4, result.length - CHUNK_HEADER);
      return result;
    }
  }

  /**
   * Finds the first picture.
   *
   * @param file a file that begins as WebP does
   * @throws IOException when the file is truncated before the picture's end
   */
  static WebpFrame first(byte[] file) throws IOException {
    return new Walk(file).first();
  }
}
