package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class VectorSumsTest {
  @ParameterizedTest
  @ValueSource(ints = {0, 1, 7, 8, 9, 1000, 8192})
  void givesTheBitsOfThePlainLoopForEveryKindOfNumber(int elements) {
    Random random = new Random(elements);
    float[] theta = new float[elements];
    float[] fisher = new float[elements];
    double[] upper = new double[elements];
    double[] lower = new double[elements];
    for (int j = 0; j < elements; j++) {
      // bit patterns, so that subnormal numbers, infinities and NaN are among them
      theta[j] = Float.intBitsToFloat(random.nextInt());
      fisher[j] = Float.intBitsToFloat(random.nextInt() & Integer.MAX_VALUE);
      upper[j] = random.nextGaussian();
      lower[j] = random.nextDouble();
    }
    double[] plainUpper = upper.clone();
    double[] plainLower = lower.clone();
    for (double scale : new double[] {1 / 3.0, 1e-300, 0}) {
      VectorSums.add(upper, lower, theta, fisher, scale, 1e-6, elements);
      FisherMerge.add(plainUpper, plainLower, theta, fisher, scale, 1e-6, 0, elements);
      assertThat(upper).containsExactly(plainUpper);
      assertThat(lower).containsExactly(plainLower);
    }
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
      float[] values = new float[elements];
      for (int j = 0; j < elements; j++) {
        values[j] = (float) Math.pow(10, 30 * random.nextDouble() - 25);
      }
      plain.addFrom(0, values, 1 + batch);
      assertThat(VectorSums.addExactly(high, low, values, 1 + batch, elements)).isEqualTo(elements);
    }
    ByteBuffer stored = ByteBuffer.allocate(elements * FisherSum.BYTES);
    plain.store(stored);
    stored.flip();
    double[] expected = new double[2 * elements];
    stored.asDoubleBuffer().get(expected);
    assertThat(high).containsExactly(Arrays.copyOf(expected, elements));
    assertThat(low).containsExactly(Arrays.copyOfRange(expected, elements, 2 * elements));
  }
}
