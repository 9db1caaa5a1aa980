package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.EnumSource;

class DigitTaskTest {
  private static final int SIDE = DigitImages.SIDE;

  @Test
  void widensEveryStrokeByOnePixel() {
    DigitImages bold = DigitTask.BOLD.of(dot(10, 12));
    for (int row = 0; row < SIDE; row++) {
      for (int column = 0; column < SIDE; column++) {
        boolean near = Math.abs(row - 10) <= 1 && Math.abs(column - 12) <= 1;
        assertThat(bold.pixels()[row * SIDE + column]).isEqualTo((byte) (near ? 255 : 0));
      }
    }
  }

  @Test
  void turnsClockwise() {
    // A 3 × 3 dot 8 pixels right of the centre goes to 8 (cos 25°, sin 25°), rows counting
    // downwards.
    double[] centroid = centroid(DigitTask.TILTED.of(block(12, 20)));
    assertThat(centroid[0])
        .isCloseTo(13.5 + 7.5 * Math.cos(rad(25)) + .5 * Math.sin(rad(25)), within(.1));
    assertThat(centroid[1])
        .isCloseTo(13.5 + 7.5 * Math.sin(rad(25)) - .5 * Math.cos(rad(25)), within(.1));
  }

  @ParameterizedTest
  @CsvSource({
    "TOP_LEFT, -6, -6",
    "TOP_RIGHT, 6, -6",
    "BOTTOM_LEFT, -6, 6",
    "BOTTOM_RIGHT, 6, 6",
  })
  void shrinksIntoACorner(DigitTask task, int right, int down) {
    double[] centroid = centroid(task.of(block(12, 20)));
    assertThat(centroid[0]).isCloseTo(13.5 + right + 0.55 * (21 - 13.5), within(0.25));
    assertThat(centroid[1]).isCloseTo(13.5 + down + 0.55 * (13 - 13.5), within(0.25));
  }

  @ParameterizedTest
  @EnumSource
  void keepsLabelsAndLeavesTheOriginalsAlone(DigitTask task) {
    DigitImages dot = dot(14, 14);
    byte[] before = dot.pixels().clone();
    DigitImages changed = task.of(dot);
    assertThat(changed.labels()).containsExactly(3);
    assertThat(changed.pixels()).isNotEqualTo(before);
    assertThat(dot.pixels()).isEqualTo(before);
  }

  @Test
  void doesNotMixImages() {
    byte[] pixels = new byte[2 * DigitImages.PIXELS];
    java.util.Arrays.fill(pixels, 0, DigitImages.PIXELS, (byte) 255);
    DigitImages bold = DigitTask.BOLD.of(new DigitImages(pixels, new byte[2]));
    assertThat(bold.pixels()).isEqualTo(pixels);
  }

  private static double rad(double degrees) {
    return Math.toRadians(degrees);
  }

  private static DigitImages dot(int row, int column) {
    byte[] pixels = new byte[DigitImages.PIXELS];
    pixels[row * SIDE + column] = (byte) 255;
    return new DigitImages(pixels, new byte[] {3});
  }

  /** Three by three pixels of ink, the first at this place. */
  private static DigitImages block(int row, int column) {
    byte[] pixels = new byte[DigitImages.PIXELS];
    for (int j = 0; j < 9; j++) {
      pixels[(row + j / 3) * SIDE + column + j % 3] = (byte) 255;
    }
    return new DigitImages(pixels, new byte[] {3});
  }

  /** Column and row of the ink's centre. */
  private static double[] centroid(DigitImages image) {
    double ink = 0;
    double[] sums = new double[2];
    for (int j = 0; j < DigitImages.PIXELS; j++) {
      int value = Byte.toUnsignedInt(image.pixels()[j]);
      ink += value;
      sums[0] += value * (double) (j % SIDE);
      int row = j / SIDE;
      sums[1] += (double) value * row;
    }
    return new double[] {sums[0] / ink, sums[1] / ink};
  }
}
