package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class VectorSumsTest {
  @ParameterizedTest
  @CsvSource({"F32, 0", "F32, 1", "F32, 8", "F32, 1003", "BF16, 7", "BF16, 8", "BF16, 1003"})
  void givesTheBitsOfThePlainLoopForEveryKindOfNumber(DType type, int elements) {
    Random random = new Random(elements);
    // any bits, so that subnormal numbers, infinities and NaN are among them
    ByteBuffer theta = randomBytes(random, elements * type.bytes());
    ByteBuffer fisher = randomBytes(random, elements * Float.BYTES);
    double[] upper = random.doubles(elements).toArray();
    double[] lower = random.doubles(elements).toArray();
    double[] plainUpper = upper.clone();
    double[] plainLower = lower.clone();
    for (double scale : new double[] {1 / 3.0, 1e-300, 0}) {
      int added = VectorSums.add(upper, lower, type, theta, fisher, scale, 1e-6, elements);
      assertThat(added).isBetween(elements - 7, elements);
      for (int j = 0; j < added; j++) {
        int bits = type == DType.F32 ? theta.getInt(4 * j) : theta.getShort(2 * j) << 16;
        double w = fisher.getFloat(4 * j) * scale + 1e-6;
        plainUpper[j] += w * Float.intBitsToFloat(bits);
        plainLower[j] += w;
      }
      assertThat(upper).containsExactly(plainUpper);
      assertThat(lower).containsExactly(plainLower);
    }
  }

  private static ByteBuffer randomBytes(Random random, int bytes) {
    byte[] data = new byte[bytes];
    random.nextBytes(data);
    return ByteBuffer.allocateDirect(bytes).put(0, data).order(ByteOrder.LITTLE_ENDIAN);
  }

  @Test
  void aTypeWithoutALoopIsLeftToThePlainOne() {
    double[] sums = new double[8];
    ByteBuffer data = ByteBuffer.allocate(64);
    assertThat(VectorSums.add(sums, sums, DType.F64, data, data, 1, 1, 8)).isZero();
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
