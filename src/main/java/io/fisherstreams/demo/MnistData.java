package io.fisherstreams.demo;

import io.fisherstreams.InvalidInput;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.zip.GZIPInputStream;

/**
 * The subset of MNIST (LeCun, Cortes, Burges) that ships with the program; {@code
 * resources/demo/README.md} tells how it was cut.
 *
 * @param train 12,000 images to train on
 * @param test 2,000 images by other writers, never trained on
 */
public record MnistData(DigitImages train, DigitImages test) {
  private static final int UNSIGNED_BYTES = 0x08;

  /**
   * Reads the resources.
   *
   * @throws InvalidInput when one is missing or is not what its header says
   */
  public static MnistData load() {
    return new MnistData(digits("train"), digits("t10k"));
  }

  private static DigitImages digits(String set) {
    byte[] pixels = idx(set + "-images-idx3-ubyte.gz", 3, DigitImages.SIDE, DigitImages.SIDE);
    byte[] labels = idx(set + "-labels-idx1-ubyte.gz", 1);
    if (pixels.length != labels.length * DigitImages.PIXELS) {
      throw new InvalidInput(
          "resource demo/%s-*: %d labels for %d images; reinstall the program"
              .formatted(set, labels.length, pixels.length / DigitImages.PIXELS));
    }
    return new DigitImages(pixels, labels);
  }

  private static byte[] idx(String name, int dimensions, int... itemShape) {
    try (InputStream resource = MnistData.class.getResourceAsStream("/demo/" + name)) {
      if (resource == null) {
        throw new InvalidInput("resource demo/" + name + " is missing; reinstall the program");
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
   * @throws InvalidInput naming {@code name} when the bytes are no such file
   */
  static byte[] parseIdx(String name, byte[] file, int dimensions, int... itemShape) {
    int header = Integer.BYTES * (1 + dimensions);
    int magic = UNSIGNED_BYTES << 8 | dimensions;
    ByteBuffer buffer = ByteBuffer.wrap(file);
    if (file.length < header || buffer.getInt() != magic) {
      throw new InvalidInput(
          "%s: no IDX file of unsigned bytes in %d dimension(s)".formatted(name, dimensions));
    }
    long expected = buffer.getInt();
    for (int size : itemShape) {
      int found = buffer.getInt();
      if (found != size) {
        throw new InvalidInput("%s: size %d expected, %d found".formatted(name, size, found));
      }
      expected *= size;
    }
    if (file.length - header != expected) {
      throw new InvalidInput(
          "%s: %d bytes expected after the header, %d found"
              .formatted(name, expected, file.length - header));
    }
    return Arrays.copyOfRange(file, header, file.length);
  }
}
