package io.fisherstreams.gradient.example;

import java.awt.image.BufferedImage;
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
   * Reads an image's colours, without transparency.
   *
   * @param channels 1 combines the colours to ITU-R 601 luma, 3 repeats gray
   */
  static Pixels of(BufferedImage image, int channels) {
    int size = image.getHeight() * image.getWidth();
    byte[] values = new byte[channels * size];
    boolean gray = image.getColorModel().getColorSpace().getNumComponents() == 1;
    Raster raster = image.getRaster();
    int depth = image.getColorModel().getComponentSize(0);
    for (int y = 0; y < image.getHeight(); y++) {
      for (int x = 0; x < image.getWidth(); x++) {
        int at = y * image.getWidth() + x;
        if (gray) {
          // Not getRGB: it would treat gray as linear and apply a gamma curve.
          int sample = raster.getSample(x, y, 0);
          int level = depth > 8 ? sample >> (depth - 8) : sample * 255 / ((1 << depth) - 1);
          for (int c = 0; c < channels; c++) {
            values[c * size + at] = (byte) level;
          }
        } else {
          put(image.getRGB(x, y), channels, values, at, size);
        }
      }
    }
    return new Pixels(channels, image.getHeight(), image.getWidth(), values);
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
