package io.fisherstreams.gradient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.nio.FloatBuffer;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SquaredProductsTest {
  private static final float BEFORE = 0.5f;

  private final Random random = new Random(7);
  private final SquaredProducts products = new SquaredProducts();

  @ParameterizedTest
  @CsvSource({"1, 1", "4, 32", "5, 33", "257, 130", "300, 7", "3, 400"})
  void equalsSumOfSquaredProductsInFloat64(int leftWidth, int rightWidth) {
    // Rows out of order, one example without any, one operand's rows used twice.
    check(leftWidth, rightWidth, new int[] {9, 0, 9, 2}, new int[] {0, 3, 5, 11}, 3, 0, 6, 1);
  }

  @Test
  void equalsItWhenTheOperandsArePackedInSeveralGoes() {
    // 2 · 1,000 · (1,500 + 900) elements are more than are packed at once.
    check(1500, 900, new int[] {0, 700}, new int[] {500, 0}, 1000, 1000);
  }

  @Test
  void sameBytesHoweverOftenItsMemoryWasUsed() {
    FloatBuffer left = randoms(40 * 50);
    FloatBuffer right = randoms(40 * 70);
    FloatBuffer first = sums(50 * 70);
    add(first, left, 50, new int[] {0, 20}, right, 70, new int[] {20, 0}, 20, 20);
    add(
        sums(80 * 200),
        randoms(80 * 50),
        80,
        new int[] {0},
        randoms(200 * 50),
        200,
        new int[1],
        50);
    FloatBuffer second = sums(50 * 70);
    add(second, left, 50, new int[] {0, 20}, right, 70, new int[] {20, 0}, 20, 20);
    assertThat(second).isEqualTo(first);
  }

  private void check(
      int leftWidth, int rightWidth, int[] leftFirst, int[] rightFirst, int... rows) {
    FloatBuffer left = randoms(2000 * leftWidth);
    FloatBuffer right = randoms(2000 * rightWidth);
    FloatBuffer sums = sums(leftWidth * rightWidth);
    add(sums, left, leftWidth, leftFirst, right, rightWidth, rightFirst, rows);
    for (int i = 0; i < leftWidth; i += 1 + leftWidth / 40) {
      for (int j = 0; j < rightWidth; j += 1 + rightWidth / 40) {
        double expected = BEFORE;
        double magnitude = BEFORE;
        for (int example = 0; example < rows.length; example++) {
          double gradient = 0;
          double size = 0;
          for (int t = 0; t < rows[example]; t++) {
            double term =
                (double) left.get((leftFirst[example] + t) * leftWidth + i)
                    * right.get((rightFirst[example] + t) * rightWidth + j);
            gradient += term;
            size += Math.abs(term);
          }
          expected += gradient * gradient;
          magnitude += size * size;
        }
        // Rounding errors of float32 sums of 1,000 terms stay far below this.
        assertThat((double) sums.get(i * rightWidth + j))
            .as("row %d, column %d", i, j)
            .isCloseTo(expected, within(2e-6 * magnitude));
      }
    }
  }

  private void add(
      FloatBuffer sums,
      FloatBuffer left,
      int leftWidth,
      int[] leftFirst,
      FloatBuffer right,
      int rightWidth,
      int[] rightFirst,
      int... rows) {
    products.add(
        sums,
        new SquaredProducts.Operand(left, leftWidth, leftFirst),
        new SquaredProducts.Operand(right, rightWidth, rightFirst),
        rows);
  }

  private static FloatBuffer sums(int elements) {
    FloatBuffer sums = FloatBuffer.allocate(elements);
    while (sums.hasRemaining()) {
      sums.put(BEFORE);
    }
    return sums.flip();
  }

  private FloatBuffer randoms(int elements) {
    FloatBuffer values = FloatBuffer.allocate(elements);
    while (values.hasRemaining()) {
      values.put((float) random.nextGaussian());
    }
    return values.flip();
  }
}
