package io.fisherstreams.demo;

import java.util.Arrays;
import java.util.Locale;

/**
 * Labelled images of handwritten digits.
 *
 * @param pixels one byte a pixel, unsigned, 0 the background and 255 the ink; image after image,
 *     each {@value #PIXELS} bytes row by row
 * @param labels the digit of each image, 0 to 9
 */
@SuppressWarnings("ArrayRecordComponent") // never compared; 9 MB that must not be boxed
public record DigitImages(byte[] pixels, byte[] labels) {
  /** Width and height of an image. */
  public static final int SIDE = 28;

  /** Pixels of an image. */
  public static final int PIXELS = SIDE * SIDE;

  /** Number of different labels. */
  public static final int CLASSES = 10;

  /** Rejects pixels and labels of different numbers of images. */
  public DigitImages {
    if (pixels.length != labels.length * PIXELS) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT,
              "%d labels need %d pixels, found %d",
              labels.length,
              labels.length * PIXELS,
              pixels.length));
    }
  }

  /** Number of images. */
  public int count() {
    return labels.length;
  }

  /** A pixel as a network reads it, from 0 to 1. */
  float value(int image, int pixel) {
    return Byte.toUnsignedInt(pixels[image * PIXELS + pixel]) / 255f;
  }

  /** A copy of the first images. */
  public DigitImages first(int images) {
    return new DigitImages(Arrays.copyOf(pixels, images * PIXELS), Arrays.copyOf(labels, images));
  }
}
