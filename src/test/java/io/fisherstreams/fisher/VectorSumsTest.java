package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.DType;
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
    double[] upper = random.doubles(elements).toArray();
    double[] lower = random.doubles(elements).toArray();
    double[] plainUpper = upper.clone();
    double[] plainLower = lower.clone();
    for (double divisor : new double[] {3, 1e300, Double.POSITIVE_INFINITY}) {
      Term term = randomTerm(random, type, elements, divisor, 1);
      Term next = randomTerm(random, type, elements, 7, 0.25);
      int added = VectorSums.add(upper, lower, term, 1e-6, elements);
      assertThat(added).isBetween(elements - 7, elements);
      addPlainly(plainUpper, plainLower, term, added);
      assertThat(upper).containsExactly(plainUpper);
      assertThat(lower).containsExactly(plainLower);
      assertThat(VectorSums.add(upper, lower, term, next, 1e-6, elements)).isEqualTo(added);
      addPlainly(plainUpper, plainLower, term, added);
      addPlainly(plainUpper, plainLower, next, added);
      assertThat(upper).containsExactly(plainUpper);
      assertThat(lower).containsExactly(plainLower);
    }
  }

  /** Any bits, so that subnormal numbers, infinities and NaN are among them. */
  private static Term randomTerm(
      Random random, DType type, int elements, double divisor, double weight) {
    return new Term(
        type,
        randomBytes(random, elements * type.bytes()),
        randomBytes(random, elements * Float.BYTES),
        divisor,
        weight);
  }

  private static void addPlainly(double[] upper, double[] lower, Term term, int elements) {
    double scale = term.weight() / term.divisor();
    ByteBuffer theta = term.theta();
    for (int j = 0; j < elements; j++) {
      int bits = term.type() == DType.F32 ? theta.getInt(4 * j) : theta.getShort(2 * j) << 16;
      double w = term.fisher().getFloat(4 * j) * scale + term.weight() * 1e-6;
      upper[j] += w * Float.intBitsToFloat(bits);
      lower[j] += w;
    }
  }

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

  private static ByteBuffer randomBytes(Random random, int bytes) {
    byte[] data = new byte[bytes];
    random.nextBytes(data);
    return ByteBuffer.allocateDirect(bytes).put(0, data).order(ByteOrder.LITTLE_ENDIAN);
  }

  @Test
  void aTypeWithoutALoopIsLeftToThePlainOne() {
    double[] sums = new double[8];
    ByteBuffer data = ByteBuffer.allocate(64);
    Term term = new Term(DType.F64, data, data, 1, 1);
    assertThat(VectorSums.add(sums, sums, term, 1, 8)).isZero();
    assertThat(VectorSums.add(sums, sums, term, term, 1, 8)).isZero();
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
