package io.fisherstreams.demo;

/**
 * Labelled images of handwritten digits.
 *
 * @param pixels one byte a pixel, unsigned, 0 the background and 255 the ink; image after image,
 *     each {@value #PIXELS} bytes row by row
 * @param labels the digit of each image, 0 to 9
 */
@SuppressWarnings("ArrayRecordComponent") // compared nowhere; 9 MB that must not be boxed
public record DigitImages(byte[] pixels, byte[] labels) {
  /** Width and height of an image. */
  public static final int SIDE = 28;

  /** Pixels of an image. */
  public static final int PIXELS = SIDE * SIDE;

  /** Number of digits that a label tells apart. */
  public static final int CLASSES = 10;

  /** Refuses pixels and labels of different numbers of images. */
  public DigitImages {
    if (pixels.length != labels.length * PIXELS) {
      throw new IllegalArgumentException(
          "%d pixels are not %d images".formatted(pixels.length, labels.length));
    }
  }

  /** Number of images. */
  public int count() {
    return labels.length;
  }
}
