package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VectorSumsTest {
  /** Positive numbers over 30 decimal orders of magnitude, from byte 4 on. */
  private static ByteBuffer randomFloats(Random random, int elements) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(4 + elements * Float.BYTES);
    for (int j = 0; j < elements; j++) {
      bytes
          .order(ByteOrder.LITTLE_ENDIAN)
          .putFloat(4 + 4 * j, (float) Math.pow(10, 30 * random.nextDouble() - 25));
    }
    return bytes;
  }

  @ParameterizedTest
  @ValueSource(ints = {8, 1000, 2048})
  void exactSumsAreThoseOfThePlainLoop(int elements) {
    Random random = new Random(elements);
    FisherSum plain = new FisherSum(elements);
    plain.clear(elements);
    double[] high = new double[elements];
    double[] low = new double[elements];
    for (int batch = 0; batch < 20; batch++) {
      ByteBuffer first = randomFloats(random, elements);
      ByteBuffer second = randomFloats(random, elements);
      plain.addFrom(0, first, 4, 1 + batch);
      assertThat(VectorSums.addExactly(high, low, first, 4, 1 + batch, elements))
          .isEqualTo(elements);
      plain.addFrom(0, first, 4, 3);
      plain.addFrom(0, second, 4, batch);
      assertThat(VectorSums.addExactly(high, low, first, 3, second, batch, 4, elements))
          .isEqualTo(elements);
    }
    ByteBuffer stored =
        ByteBuffer.allocate(elements * FisherSum.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    plain.store(stored);
    stored.flip();
    double[] expected = new double[2 * elements];
    stored.asDoubleBuffer().get(expected);
    assertThat(high).containsExactly(Arrays.copyOf(expected, elements));
    assertThat(low).containsExactly(Arrays.copyOfRange(expected, elements, 2 * elements));
  }

  @ParameterizedTest
  @ValueSource(
      floats = {-Float.MIN_VALUE, -1, Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY, Float.NaN})
  void oneThatIsNoSquareIsFoundWhereverItIs(float bad) {
    int elements = 64;
    ByteBuffer values = ByteBuffer.allocate(4 + elements * Float.BYTES).position(4);
    values.order(ByteOrder.LITTLE_ENDIAN);
    for (int j = 0; j < elements; j++) {
      values.putFloat(4 + 4 * j, j % 3 == 0 ? 0 : j % 3 == 1 ? Float.MAX_VALUE : Float.MIN_VALUE);
    }
    assertThat(VectorSums.areSquares(values, elements)).isTrue();
    for (int j = 0; j < elements; j++) {
      float before = values.getFloat(4 + 4 * j);
      assertThat(VectorSums.areSquares(values.putFloat(4 + 4 * j, bad), elements)).isFalse();
      values.putFloat(4 + 4 * j, before);
    }
    assertThat(VectorSums.areSquares(values, elements - 1)).isFalse();
  }
}
