package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import java.util.Locale;

/**
 * Resizes 8-bit images to exactly the pixels of Pillow, which Hugging Face's image processors use.
 * Equality with Pillow is the point, and the reason why this is written by hand: a model's
 * gradients belong to the pixels that it was trained on, and Java's own resizing gives others. It
 * is a separable filter that becomes wider when the image shrinks (so that no pixel is skipped).
 * The horizontal pass is first, weights have 22 fractional bits, and each pass rounds to 8 bits.
 */
enum Resampling {
  BILINEAR(1) {
    @Override
    double weight(double x) {
      double distance = Math.abs(x);
      return distance < 1 ? 1 - distance : 0;
    }
  },
  /** Keys' cubic convolution with a = −½. */
  BICUBIC(2) {
    private static final double A = -0.5;

    @Override
    double weight(double x) {
      double t = Math.abs(x);
      if (t < 1) {
        return ((A + 2) * t - (A + 3)) * t * t + 1;
      }
      return t < 2 ? (((t - 5) * t + 8) * t - 4) * A : 0;
    }
  };

  private static final int FRACTION_BITS = 22;

  private final double support;

  Resampling(double support) {
    this.support = support;
  }

  /** The filter's weight at a distance from its centre, in pixels of the coarser image. */
  abstract double weight(double x);

  /**
   * The filter with this number, which Pillow defines and {@code preprocessor_config.json} uses.
   *
   * @throws InvalidInput for a filter that is not implemented
   */
  static Resampling numbered(String origin, int number) {
    return switch (number) {
      case 2 -> BILINEAR;
      case 3 -> BICUBIC;
      default ->
          throw new InvalidInput(
              String.format(
                  Locale.ROOT,
                  "%s: resample %d is not implemented; known are 2 (bilinear) and 3 (bicubic)",
                  origin,
                  number));
    };
  }

  /**
   * Resizes.
   *
   * @param image the pixels
   * @param width of the result, at least 1
   * @param height of the result, at least 1
   */
  Pixels resize(Pixels image, int width, int height) {
    Pixels horizontal = width == image.width() ? image : resizeRows(image, width);
    return height == image.height()
        ? horizontal
        : resizeRows(horizontal.transposed(), height).transposed();
  }

  private Pixels resizeRows(Pixels image, int width) {
    double scale = (double) image.width() / width;
    double widening = Math.max(scale, 1);
    double reach = support * widening;
    byte[] result = new byte[image.channels() * image.height() * width];
    for (int x = 0; x < width; x++) {
      double centre = (x + 0.5) * scale;
      int from = (int) Math.max(0, centre - reach + 0.5);
      int to = (int) Math.min(image.width(), centre + reach + 0.5);
      int[] weights = weights(from, to, centre, widening);
      for (int row = 0; row < image.channels() * image.height(); row++) {
        int sum = 1 << (FRACTION_BITS - 1);
        int start = row * image.width() + from;
        for (int i = 0; i < weights.length; i++) {
          sum += (image.values()[start + i] & 0xFF) * weights[i];
        }
        result[row * width + x] = (byte) Math.max(0, Math.min(255, sum >> FRACTION_BITS));
      }
    }
    return new Pixels(image.channels(), image.height(), width, result);
  }

  private int[] weights(int from, int to, double centre, double widening) {
    double[] exact = new double[to - from];
    double total = 0;
    for (int i = 0; i < exact.length; i++) {
      exact[i] = weight((from + i - centre + 0.5) / widening);
      total += exact[i];
    }
    int[] weights = new int[exact.length];
    for (int i = 0; i < weights.length; i++) {
      double scaled = exact[i] / total * (1 << FRACTION_BITS);
      weights[i] = (int) (scaled + Math.copySign(0.5, scaled));
    }
    return weights;
  }
}
