package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class FisherMergeTest {
  private static final MathContext DIGITS = new MathContext(60);

  private record Model(double[] theta, float[] fisher, double divisor, double weight) {}

  private static Model random(Random random, int elements) {
    double[] theta = new double[elements];
    float[] fisher = new float[elements];
    for (int j = 0; j < elements; j++) {
      theta[j] = random.nextGaussian();
      fisher[j] = (float) Math.pow(10, -8 * random.nextDouble());
    }
    return new Model(theta, fisher, 1 + random.nextInt(500), 0.1 + random.nextDouble());
  }

  private static double[] merge(double epsilon, Model... models) {
    int elements = models[0].theta.length;
    FisherMerge merge = new FisherMerge(elements + 3, epsilon);
    merge.begin(elements);
    for (Model model : models) {
      add(merge, model);
    }
    double[] merged = new double[elements];
    merge.finish(merged);
    return merged;
  }

  private static void add(FisherMerge merge, Model model) {
    merge.add(term(DType.F64, bytes(model.theta), model));
  }

  private static Term term(DType type, ByteBuffer theta, Model model) {
    return new Term(type, theta, bytes(model.fisher), model.divisor, model.weight);
  }

  private static ByteBuffer bytes(double... values) {
    ByteBuffer bytes = ByteBuffer.allocate(8 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asDoubleBuffer().put(values);
    return bytes;
  }

  private static ByteBuffer bytes(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes;
  }

  /** The formula itself, in 60 decimal digits. */
  private static double exact(double epsilon, int j, Model... models) {
    BigDecimal numerator = BigDecimal.ZERO;
    BigDecimal denominator = BigDecimal.ZERO;
    for (Model model : models) {
      BigDecimal weight =
          new BigDecimal(model.fisher[j])
              .divide(new BigDecimal(model.divisor), DIGITS)
              .add(new BigDecimal(epsilon))
              .multiply(new BigDecimal(model.weight));
      numerator = numerator.add(weight.multiply(new BigDecimal(model.theta[j])));
      denominator = denominator.add(weight);
    }
    return numerator.divide(denominator, DIGITS).doubleValue();
  }

  @ParameterizedTest
  @ValueSource(doubles = {0, 1e-6, 0.5})
  void equalsTheFormulaInSixtyDigits(double epsilon) {
    Random random = new Random(7);
    Model[] models = {random(random, 500), random(random, 500), random(random, 500)};
    double[] merged = merge(epsilon, models);
    for (int j = 0; j < 500; j++) {
      // a handful of roundings of the largest term
      assertThat(merged[j]).isCloseTo(exact(epsilon, j, models), within(2e-15));
    }
  }

  @ParameterizedTest
  @CsvSource({"F32, 0", "F32, 1e-6", "BF16, 0", "BF16, 1e-6", "F16, 0", "F16, 1e-6"})
  void narrowParametersGiveTheBitsOfTheSameFloat64Ones(DType type, double epsilon) {
    int elements = 303; // no multiple of any vector
    Model model = random(new Random(11), elements);
    ByteBuffer narrow = ByteBuffer.allocateDirect(elements * type.bytes());
    FloatCodec.fromDouble(type, model.theta, 0, elements, narrow, 0);
    FloatCodec.toDouble(type, narrow, 0, model.theta, 0, elements);
    FisherMerge merge = new FisherMerge(elements, epsilon);
    merge.begin(elements);
    Model other = new Model(model.theta, model.fisher, 3, 0.7);
    merge.add(term(type, narrow, model));
    merge.add(term(type, narrow, other));
    double[] merged = new double[elements];
    merge.finish(merged);
    assertThat(merged).isEqualTo(merge(epsilon, model, other));
    merge.begin(elements);
    merge.add(term(type, narrow, model), term(type, narrow, other));
    merge.finish(merged);
    assertThat(merged).isEqualTo(merge(epsilon, model, other));
    merge.begin(elements);
    merge.add(term(type, narrow, model), term(DType.F64, bytes(model.theta), other));
    merge.finish(merged);
    assertThat(merged).isEqualTo(merge(epsilon, model, other));
  }

  @Test
  void anEntryWithoutAnyWeightIsTheAverageByCoefficientAndIsCounted() {
    Model one = new Model(new double[] {1, 5, 7}, new float[] {0, 2, 0}, 4, 0.75);
    Model other = new Model(new double[] {5, -3, 3}, new float[] {0, 0, 8}, 2, 0.25);
    FisherMerge merge = new FisherMerge(3, 0);
    merge.begin(3);
    add(merge, one);
    add(merge, other);
    double[] merged = new double[3];
    // 0.75·1 + 0.25·5 = 2 by coefficient; elsewhere the one model with a Fisher decides alone
    assertThat(merge.finish(merged)).isEqualTo(1);
    assertThat(merged).containsExactly(2, 5, 3);
  }

  @Test
  void aPositiveEpsilonLeavesNoEntryUnweighted() {
    Model one = new Model(new double[] {1}, new float[] {0}, 1, 1);
    Model other = new Model(new double[] {4}, new float[] {0}, 1, 2);
    assertThat(merge(1e-6, one, other)[0]).isCloseTo(3, within(1e-15));
  }

  @Test
  void aRunLeavesNothingToTheNext() {
    Random random = new Random(3);
    Model first = random(random, 64);
    Model second = random(random, 16);
    for (double epsilon : new double[] {0, 1e-6}) {
      FisherMerge merge = new FisherMerge(64, epsilon);
      double[] merged = new double[64];
      merge.begin(64);
      add(merge, first);
      merge.finish(merged);
      merge.begin(16);
      add(merge, second);
      merge.finish(merged);
      for (int j = 0; j < 16; j++) {
        assertThat(merged[j]).isCloseTo(second.theta[j], within(1e-15));
      }
    }
  }
}
