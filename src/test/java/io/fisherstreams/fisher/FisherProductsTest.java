package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.math.BigDecimal;
import java.math.MathContext;
import java.util.Random;
import org.junit.jupiter.api.Test;

class FisherProductsTest {
  /** F = (3, 4) and (4, 3) have norm 5 and product 24; (0, 2) has the products 8 and 6. */
  @Test
  void cosinesOfSmallVectorsAreTheirClosedForms() {
    FisherProducts products = new FisherProducts(3);
    products.add(
        "a",
        ParameterGroups.NO_GROUP,
        new float[][] {{3, 4}, {8, 6}, {0, 20}},
        new double[] {1, 2, 10},
        2);

    FisherProducts.Sums sums = products.whole();
    assertThat(sums.entries()).isEqualTo(2);
    assertThat(sums.norm(1)).isEqualTo(5);
    assertThat(sums.total(2)).isEqualTo(2);
    assertThat(sums.cosine(0, 1)).hasValue(24 / 25.0);
    assertThat(sums.cosine(1, 0)).hasValue(24 / 25.0);
    assertThat(sums.cosine(0, 2)).hasValue(8 / 10.0);
    assertThat(sums.cosine(2, 1)).hasValue(6 / 10.0);
    assertThat(sums.cosine(2, 2)).hasValue(1);
  }

  @Test
  void aFisherThatIsZeroEverywhereHasNoCosine() {
    FisherProducts products = new FisherProducts(2);
    products.add(
        "zero", ParameterGroups.NO_GROUP, new float[][] {{1, 2}, {0, 0}}, new double[] {1, 1}, 2);
    products.add(
        "other", ParameterGroups.NO_GROUP, new float[][] {{1}, {5}}, new double[] {1, 1}, 1);

    FisherProducts.Sums zero = products.layers().get("zero");
    assertThat(zero.cosine(0, 1)).isEmpty();
    assertThat(zero.cosine(1, 1)).isEmpty();
    assertThat(zero.cosine(0, 0)).hasValue(1);
    assertThat(products.whole().cosine(0, 1).orElseThrow())
        .isCloseTo(1 / Math.sqrt(6), within(1e-15));
  }

  @Test
  void proportionalFishersHaveCosineOneAndNeverMore() {
    Random random = new Random(3);
    float[] fisher = random(random, 1001, 1e-12f);
    float[] scaled = new float[fisher.length];
    for (int j = 0; j < scaled.length; j++) {
      scaled[j] = 4 * fisher[j];
    }
    FisherProducts products = new FisherProducts(2);
    products.add(
        "a",
        ParameterGroups.NO_GROUP,
        new float[][] {fisher, scaled},
        new double[] {3, 7},
        fisher.length);

    assertThat(products.whole().cosine(0, 1).orElseThrow()).isBetween(1 - 1e-15, 1.0);
  }

  @Test
  void runsAndPartsAddUpToTheExactSums() {
    Random random = new Random(5);
    float[] first = random(random, 4003, 1);
    float[] second = random(random, 4003, 1e-3f);
    double[] divisors = {3, 1.75};
    FisherProducts all = new FisherProducts(2);
    FisherProducts part = new FisherProducts(2);
    for (int from = 0; from < first.length; from += 1000) {
      int count = Math.min(1000, first.length - from);
      float[][] run = {copy(first, from, count), copy(second, from, count)};
      (from % 2000 == 0 ? all : part)
          .add(from < 2000 ? "h.0" : "h.1", ParameterGroups.NO_GROUP, run, divisors, count);
    }
    all.add(part);

    assertThat(all.layers()).containsOnlyKeys("h.0", "h.1");
    assertThat(all.layers().get("h.0").entries()).isEqualTo(2000);
    double cosine =
        exact(first, second)
            .divide(
                exact(first, first).multiply(exact(second, second)).sqrt(MathContext.DECIMAL128),
                MathContext.DECIMAL128)
            .doubleValue();
    assertThat(all.whole().cosine(0, 1).orElseThrow()).isCloseTo(cosine, within(1e-14));
    assertThat(all.whole().norm(1))
        .isCloseTo(
            exact(second, second).sqrt(MathContext.DECIMAL128).doubleValue() / 1.75, within(1e-12));
  }

  private static BigDecimal exact(float[] left, float[] right) {
    BigDecimal sum = BigDecimal.ZERO;
    for (int j = 0; j < left.length; j++) {
      sum = sum.add(new BigDecimal(left[j]).multiply(new BigDecimal(right[j])));
    }
    return sum;
  }

  private static float[] random(Random random, int size, float top) {
    float[] values = new float[size];
    for (int j = 0; j < size; j++) {
      values[j] = top * random.nextFloat();
    }
    return values;
  }

  private static float[] copy(float[] values, int from, int count) {
    float[] copy = new float[1024];
    System.arraycopy(values, from, copy, 0, count);
    return copy;
  }
}
