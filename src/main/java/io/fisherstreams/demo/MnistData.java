package io.fisherstreams.demo;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Locale;
import java.util.zip.GZIPInputStream;

/**
 * The subset of MNIST (LeCun, Cortes, Burges) that ships with the program; {@code
 * src/demo-data/README.md} describes how it was cut.
 *
 * @param train 12,000 images to train on
 * @param test 2,000 images by other writers, never trained on
 */
public record MnistData(DigitImages train, DigitImages test) {
  private static final int UNSIGNED_BYTES = 0x08;

  /**
   * Reads the resources.
   *
   * @throws InvalidInput when a file is missing or does not match its header
   */
  public static MnistData load() {
    return new MnistData(digits("train"), digits("t10k"));
  }

  private static DigitImages digits(String set) {
    byte[] pixels = idx(set + "-images-idx3-ubyte.gz", 3, DigitImages.SIDE, DigitImages.SIDE);
    byte[] labels = idx(set + "-labels-idx1-ubyte.gz", 1);
    if (pixels.length != labels.length * DigitImages.PIXELS) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "resource demo/%s-*: found %d labels for %d images; install the program again",
              set,
              labels.length,
              pixels.length / DigitImages.PIXELS));
    }
    return new DigitImages(pixels, labels);
  }

  private static byte[] idx(String name, int dimensions, int... itemShape) {
    try (InputStream resource = MnistData.class.getResourceAsStream("/demo/" + name)) {
      if (resource == null) {
        throw new InvalidInput("resource demo/" + name + " is missing; install the program again");
      }
      return parseIdx(name, new GZIPInputStream(resource).readAllBytes(), dimensions, itemShape);
    } catch (IOException e) {
      throw new UncheckedIOException("resource demo/" + name, e);
    }
  }

  /**
   * The items of an IDX file of unsigned bytes: two zero bytes, the element type, the number of
   * dimensions, one big-endian int a dimension, then the elements.
   *
   * @param itemShape the sizes after the first, which is the number of items
   * @throws InvalidInput with {@code name} when the bytes are not such a file
   */
  static byte[] parseIdx(String name, byte[] file, int dimensions, int... itemShape) {
    int header = Integer.BYTES * (1 + dimensions);
    int magic = UNSIGNED_BYTES << 8 | dimensions;
    ByteBuffer buffer = ByteBuffer.wrap(file);
    if (file.length < header || buffer.getInt() != magic) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: expected an IDX file of unsigned bytes in %d dimension(s)",
              name,
              dimensions));
    }
    long expected = buffer.getInt();
    for (int size : itemShape) {
      int found = buffer.getInt();
      if (found != size) {
        throw new InvalidInput(
            String.format(Locale.ROOT, "%s: expected size %d, found %d", name, size, found));
      }
      expected *= size;
    }
    if (file.length - header != expected) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: expected %d bytes after the header, found %d",
              name,
              expected,
              file.length - header));
    }
    return Arrays.copyOfRange(file, header, file.length);
  }
}
