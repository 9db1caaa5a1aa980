package io.fisherstreams.gradient.example;

import java.awt.Rectangle;
import java.awt.image.BufferedImage;
import java.awt.image.ColorModel;
import java.awt.image.IndexColorModel;
import java.awt.image.PackedColorModel;
import java.awt.image.Raster;

/**
 * An 8-bit image.
 *
 * @param channels 1 (gray) or 3 (red, green, blue)
 * @param height rows
 * @param width columns
 * @param values (channels, height, width), unsigned
 */
@SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
record Pixels(int channels, int height, int width, byte[] values) {

  /**
   * Reads an image's colours, without transparency. Takes the stored samples: Java's own conversion
   * applies colour profiles and treats gray as linear.
   *
   * @param channels 1 combines the colours to ITU-R 601 luma, 3 repeats gray
   */
  static Pixels of(BufferedImage image, int channels) {
    ColorModel model = image.getColorModel();
    Raster raster = image.getRaster();
    int bands = raster.getNumBands();
    if (model instanceof IndexColorModel || model instanceof PackedColorModel) {
      return of(image.getWidth(), image.getHeight(), channels, image::getRGB);
    }
    if (bands == 4 && model.getColorSpace().getNumComponents() == 4) {
      return ofCmyk(raster, ImageBytes.Colours.CMYK, channels);
    }
    int depth = model.getComponentSize(0);
    int x0 = raster.getMinX();
    int y0 = raster.getMinY();
    if (bands < 3) {
      return of(
          image.getWidth(),
          image.getHeight(),
          channels,
          (x, y) -> 0x010101 * gray(raster.getSample(x0 + x, y0 + y, 0), depth, bands == 1));
    }
    int shift = Math.max(0, depth - 8);
    return of(
        image.getWidth(),
        image.getHeight(),
        channels,
        (x, y) ->
            raster.getSample(x0 + x, y0 + y, 0) >> shift << 16
                | raster.getSample(x0 + x, y0 + y, 1) >> shift << 8
                | raster.getSample(x0 + x, y0 + y, 2) >> shift);
  }

  /** One level of gray. Pillow clips gray with 16 bits, and scales it only beside transparency. */
  private static int gray(int sample, int depth, boolean alone) {
    if (depth > 8) {
      return alone ? Math.min(sample, 255) : sample >> (depth - 8);
    }
    return sample * 255 / ((1 << depth) - 1);
  }

  /** Converts four inks of 8 bits as Pillow does. */
  static Pixels ofCmyk(Raster raster, ImageBytes.Colours colours, int channels) {
    int[] inks = new int[4];
    int x0 = raster.getMinX();
    int y0 = raster.getMinY();
    return of(
        raster.getWidth(),
        raster.getHeight(),
        channels,
        (x, y) -> {
          raster.getPixel(x0 + x, y0 + y, inks);
          if (colours == ImageBytes.Colours.YCCK) {
            toCmyk(inks);
          }
          if (colours != ImageBytes.Colours.CMYK) {
            for (int i = 0; i < 4; i++) {
              inks[i] = 255 - inks[i];
            }
          }
          int white = 255 - inks[3];
          return light(inks[0], white) << 16 | light(inks[1], white) << 8 | light(inks[2], white);
        });
  }

  /** Libjpeg's: the YCbCr is that of 255 minus the stored inks. */
  private static void toCmyk(int[] inks) {
    double blue = inks[1] - 128;
    double red = inks[2] - 128;
    int y = inks[0];
    inks[0] = 255 - clipped(y + 1.402 * red);
    inks[1] = 255 - clipped(y - 0.344136286 * blue - 0.714136286 * red);
    inks[2] = 255 - clipped(y + 1.772 * blue);
  }

  private static int clipped(double value) {
    return (int) Math.max(0, Math.min(255, Math.round(value)));
  }

  private static int light(int ink, int white) {
    int product = ink * white + 128;
    return Math.max(0, white - (((product >> 8) + product) >> 8));
  }

  /** The colour of a pixel: 8 bits each of red, green and blue. */
  private interface Colour {
    int at(int x, int y);
  }

  private static Pixels of(int width, int height, int channels, Colour colour) {
    int size = width * height;
    byte[] values = new byte[channels * size];
    for (int y = 0; y < height; y++) {
      for (int x = 0; x < width; x++) {
        put(colour.at(x, y), channels, values, y * width + x, size);
      }
    }
    return new Pixels(channels, height, width, values);
  }

  private static void put(int rgb, int channels, byte[] values, int at, int size) {
    int red = rgb >> 16 & 0xFF;
    int green = rgb >> 8 & 0xFF;
    int blue = rgb & 0xFF;
    if (channels == 1) {
      values[at] = (byte) ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16);
    } else {
      values[at] = (byte) red;
      values[size + at] = (byte) green;
      values[2 * size + at] = (byte) blue;
    }
  }

  /**
   * Places this image on a larger one.
   *
   * @param part where; its size is this image's
   * @param background colour of the rest: 8 bits each of red, green and blue
   */
  Pixels within(int newWidth, int newHeight, Rectangle part, int background) {
    if (newWidth == width && newHeight == height) {
      return this;
    }
    Pixels result = of(newWidth, newHeight, channels, (x, y) -> background);
    for (int row = 0; row < channels * height; row++) {
      int c = row / height;
      int y = row % height + part.y;
      System.arraycopy(
          values, row * width, result.values, (c * newHeight + y) * newWidth + part.x, width);
    }
    return result;
  }

  Pixels transposed() {
    byte[] result = new byte[values.length];
    for (int c = 0; c < channels; c++) {
      for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
          result[(c * width + x) * height + y] = values[(c * height + y) * width + x];
        }
      }
    }
    return new Pixels(channels, width, height, result);
  }

  /** One value, 0 to 255; 0 outside the image. */
  int at(int channel, int y, int x) {
    boolean inside = y >= 0 && y < height && x >= 0 && x < width;
    return inside ? values[(channel * height + y) * width + x] & 0xFF : 0;
  }
}
