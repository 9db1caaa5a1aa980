package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

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
}
