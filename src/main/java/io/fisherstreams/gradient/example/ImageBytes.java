package io.fisherstreams.gradient.example;

import java.io.ByteArrayOutputStream;
import java.io.EOFException;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.Set;

/**
 * Keeps of an image file only what its pixels need. Java's decoders apply colour profiles, which
 * Pillow does not, and unpack compressed texts, which may be of any size.
 */
final class ImageBytes {
  private static final int PNG_SIGNATURE = 8;
  private static final Set<String> PNG_PIXELS = Set.of("IHDR", "PLTE", "IDAT", "IEND");

  private static final int APP0 = 0xE0;
  private static final int ADOBE = 0xEE;
  private static final int COMMENT = 0xFE;
  private static final int START_OF_SCAN = 0xDA;
  private static final byte[] JFIF = {
    (byte) 0xFF, (byte) 0xE0, 0, 16, 'J', 'F', 'I', 'F', 0, 1, 1, 0, 0, 1, 0, 1, 0, 0
  };

  /** How four components of a JPEG are colours. */
  enum Colours {
    /** Ink, 255 is full. */
    CMYK,
    /** Adobe's: 255 is no ink. */
    INVERTED_CMYK,
    /** Adobe's: YCbCr of the inverted inks, and inverted black. */
    YCCK
  }

  /** A JPEG without profiles and thumbnails. */
  @SuppressWarnings("ArrayRecordComponent") // only carries data
  record Jpeg(byte[] bytes, int components, Colours colours) {}

  private ImageBytes() {}

  /** A PNG's header, palette and pixels, without transparency. */
  static byte[] png(byte[] file) throws IOException {
    ByteArrayOutputStream kept = new ByteArrayOutputStream(file.length);
    ByteBuffer in = ByteBuffer.wrap(file);
    kept.write(file, 0, PNG_SIGNATURE);
    in.position(PNG_SIGNATURE);
    while (in.remaining() >= 12) {
      int start = in.position();
      int length = in.getInt();
      String type = new String(file, in.position(), 4, StandardCharsets.ISO_8859_1);
      if (length < 0 || length > in.remaining() - 8) {
        throw new EOFException("the file is truncated");
      }
      if (PNG_PIXELS.contains(type)) {
        kept.write(file, start, length + 12);
      }
      in.position(start + length + 12);
      if (type.equals("IEND")) {
        break;
      }
    }
    return kept.toByteArray();
  }

  /**
   * A JPEG whose colours follow from what libjpeg looks at: a JFIF header, else Adobe's segment,
   * else the components' names.
   */
  static Jpeg jpeg(byte[] file) throws IOException {
    ByteArrayOutputStream kept = new ByteArrayOutputStream(file.length);
    boolean jfif = false;
    byte[] adobe = null;
    byte[] names = null;
    int at = 2;
    while (true) {
      while (at < file.length && (file[at] & 0xFF) != 0xFF) {
        at++;
      }
      while (at < file.length && (file[at] & 0xFF) == 0xFF) {
        at++;
      }
      if (at + 3 > file.length) {
        throw new EOFException("the file is truncated");
      }
      int marker = file[at] & 0xFF;
      int length = ((file[at + 1] & 0xFF) << 8) | (file[at + 2] & 0xFF);
      int end = at + 1 + length;
      if (length < 2 || end > file.length) {
        throw new EOFException("the file is truncated");
      }
      if (marker == APP0 && has(file, at + 3, "JFIF\0")) {
        jfif = true;
      } else if (marker == ADOBE && length >= 14 && has(file, at + 3, "Adobe")) {
        adobe = Arrays.copyOfRange(file, at - 1, end);
      } else if (isFrame(marker) && length >= 8) {
        names = new byte[file[at + 8] & 0xFF];
        for (int i = 0; i < names.length && at + 9 + 3 * i < end; i++) {
          names[i] = file[at + 9 + 3 * i];
        }
      }
      boolean dropped = (marker >= APP0 && marker <= 0xEF) || marker == COMMENT;
      if (!dropped) {
        kept.write(0xFF);
        kept.write(file, at, end - at);
      }
      at = end;
      if (marker == START_OF_SCAN) {
        break;
      }
    }
    if (names == null) {
      throw new IOException("it has no frame header");
    }
    return assembled(file, at, kept.toByteArray(), jfif, adobe, names);
  }

  private static Jpeg assembled(
      byte[] file, int scan, byte[] segments, boolean jfif, byte[] adobe, byte[] names) {
    ByteArrayOutputStream result = new ByteArrayOutputStream(file.length + JFIF.length);
    result.write(0xFF);
    result.write(0xD8);
    boolean rgb = names.length == 3 && names[0] == 'R' && names[1] == 'G' && names[2] == 'B';
    if (adobe != null && !(jfif && names.length < 4)) {
      result.write(adobe, 0, adobe.length);
    } else if (names.length < 4 && (jfif || !rgb)) {
      result.write(JFIF, 0, JFIF.length);
    }
    result.write(segments, 0, segments.length);
    result.write(file, scan, file.length - scan);
    Colours colours =
        adobe == null ? Colours.CMYK : adobe[15] == 2 ? Colours.YCCK : Colours.INVERTED_CMYK;
    return new Jpeg(result.toByteArray(), names.length, colours);
  }

  private static boolean isFrame(int marker) {
    return marker >= 0xC0 && marker <= 0xCF && marker != 0xC4 && marker != 0xC8 && marker != 0xCC;
  }

  private static boolean has(byte[] file, int at, String text) {
    return at + text.length() <= file.length
        && new String(file, at, text.length(), StandardCharsets.ISO_8859_1).equals(text);
  }
}
