package io.fisherstreams.demo;

import static io.fisherstreams.demo.DigitImages.SIDE;

/**
 * The task of one model of the demo: to read digits as one scanner delivers them. A task transforms
 * MNIST's images into its own, in the same way for training and test.
 */
public enum DigitTask {
  /** Turned clockwise by 25°. */
  TILTED("tilted", "turned clockwise by 25°", 25, 1, 0, 0, 0),
  /** Written with a pen one pixel wider on every side. */
  BOLD("bold", "strokes 2 pixels wider", 0, 1, 0, 0, 1),
  /** At about half size in the image's upper left. */
  TOP_LEFT("top-left", "at 55 % size, upper left", 0, 0.55, -6, -6, 0),
  /** At about half size in the image's upper right. */
  TOP_RIGHT("top-right", "at 55 % size, upper right", 0, 0.55, 6, -6, 0),
  /** At about half size in the image's lower left. */
  BOTTOM_LEFT("bottom-left", "at 55 % size, lower left", 0, 0.55, -6, 6, 0),
  /** At about half size in the image's lower right. */
  BOTTOM_RIGHT("bottom-right", "at 55 % size, lower right", 0, 0.55, 6, 6, 0);

  private static final double CENTRE = (SIDE - 1) / 2.0;

  private final String model;
  private final String description;
  private final double degrees;
  private final double scale;
  private final int right;
  private final int down;
  private final int widening;

  DigitTask(
      String model,
      String description,
      double degrees,
      double scale,
      int right,
      int down,
      int widening) {
    this.model = model;
    this.description = description;
    this.degrees = degrees;
    this.scale = scale;
    this.right = right;
    this.down = down;
    this.widening = widening;
  }

  /** The name of the task and of the model that is fine-tuned for it. */
  public String model() {
    return model;
  }

  /** How its digits differ from MNIST's, in words. */
  public String description() {
    return description;
  }

  /** MNIST's images transformed for this task, with the same labels. */
  public DigitImages of(DigitImages originals) {
    byte[] pixels = new byte[originals.pixels().length];
    for (int image = 0; image < originals.count(); image++) {
      place(originals.pixels(), pixels, image * DigitImages.PIXELS);
    }
    for (int step = 0; step < widening; step++) {
      pixels = widened(pixels);
    }
    return new DigitImages(pixels, originals.labels());
  }

  /** Rotates, scales and shifts one image: each target pixel samples the source bilinearly. */
  private void place(byte[] source, byte[] target, int image) {
    double cos = Math.cos(Math.toRadians(degrees)) / scale;
    double sin = Math.sin(Math.toRadians(degrees)) / scale;
    for (int row = 0; row < SIDE; row++) {
      double y = row - CENTRE - down;
      for (int column = 0; column < SIDE; column++) {
        double x = column - CENTRE - right;
        double sample =
            bilinear(source, image, CENTRE + cos * x + sin * y, CENTRE - sin * x + cos * y);
        target[image + row * SIDE + column] = (byte) Math.round(sample);
      }
    }
  }

  private static double bilinear(byte[] source, int image, double x, double y) {
    int column = (int) Math.floor(x);
    int row = (int) Math.floor(y);
    double right = x - column;
    double down = y - row;
    return (1 - down) * (1 - right) * pixel(source, image, row, column)
        + (1 - down) * right * pixel(source, image, row, column + 1)
        + down * (1 - right) * pixel(source, image, row + 1, column)
        + down * right * pixel(source, image, row + 1, column + 1);
  }

  private static int pixel(byte[] source, int image, int row, int column) {
    boolean inside = row >= 0 && row < SIDE && column >= 0 && column < SIDE;
    return inside ? Byte.toUnsignedInt(source[image + row * SIDE + column]) : 0;
  }

  /** Gives every pixel the darkest ink of itself and its eight neighbours. */
  private static byte[] widened(byte[] source) {
    byte[] target = new byte[source.length];
    for (int image = 0; image < source.length; image += DigitImages.PIXELS) {
      for (int row = 0; row < SIDE; row++) {
        for (int column = 0; column < SIDE; column++) {
          int ink = 0;
          for (int neighbour = 0; neighbour < 9; neighbour++) {
            ink =
                Math.max(
                    ink, pixel(source, image, row + neighbour / 3 - 1, column + neighbour % 3 - 1));
          }
          target[image + row * SIDE + column] = (byte) ink;
        }
      }
    }
    return target;
  }
}
