package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** The plain loops and the vector loops against each other and against exact arithmetic. */
class BinsTest {
  private static final int[] LOOPS = {0, 1};

  private static ByteBuffer sums(int entries, int bins) {
    return ByteBuffer.allocateDirect(entries * bins * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** Adds with plain loops, or with vectors where there are some. */
  private static void add(int loop, ByteBuffer sums, int bins, double[] terms, double sign) {
    int stride = terms.length * Long.BYTES;
    if (loop == 0) {
      Bins.addFrom(0, sums, 0, stride, bins, terms, sign, terms.length);
    } else {
      Bins.add(sums, 0, stride, bins, terms, sign, terms.length);
    }
  }

  /** The exact value of an entry's bins. */
  private static BigDecimal value(ByteBuffer sums, int entry, int entries, int bins) {
    BigDecimal value = BigDecimal.ZERO;
    for (int bin = 0; bin < bins; bin++) {
      value =
          value.add(
              new BigDecimal(sums.getLong((bin * entries + entry) * Long.BYTES))
                  .multiply(new BigDecimal(Bins.unit(bin))));
    }
    return value;
  }

  /** A term as the bins have it: the nearest multiple of the last unit, of two the even one. */
  private static BigDecimal rounded(double term, int bins) {
    BigDecimal unit = new BigDecimal(Bins.unit(bins - 1));
    return new BigDecimal(term)
        .divide(unit)
        .setScale(0, java.math.RoundingMode.HALF_EVEN)
        .multiply(unit);
  }

  /** Terms of all magnitudes that the bins hold, of both signs, with ties, zeros and extremes. */
  private static double[] terms(Random random, int count) {
    double[] terms = new double[count];
    for (int j = 0; j < count; j++) {
      double sign = random.nextBoolean() ? 1 : -1;
      terms[j] =
          switch (random.nextInt(12)) {
            case 0 -> 0.0;
            case 1 -> -0.0;
            case 2 -> sign * Double.MIN_VALUE * random.nextInt(100);
            case 3 -> sign * Bins.LARGEST;
            case 4 -> sign * (random.nextInt(1000) + 0.5) * Bins.unit(random.nextInt(3));
            case 5 -> sign * Bins.HALF * Bins.unit(1 + random.nextInt(2));
            case 6 -> sign * Math.nextDown(Bins.unit(0) / 2);
            default -> sign * Math.scalb(1 + random.nextDouble(), random.nextInt(190) - 172);
          };
    }
    return terms;
  }

  @ParameterizedTest
  @CsvSource({"2, 0", "2, 1", "3, 0", "3, 1"})
  void theSumOfTheRoundedTermsIsExact(int bins, int loop) {
    Random random = new Random(bins);
    int entries = 37;
    ByteBuffer sums = sums(entries, bins);
    BigDecimal[] expected = new BigDecimal[entries];
    Arrays.fill(expected, BigDecimal.ZERO);
    for (int model = 0; model < 300; model++) {
      double[] terms = terms(random, entries);
      double sign = random.nextInt(3) == 0 ? -1 : 1;
      add(loop, sums, bins, terms, sign);
      for (int j = 0; j < entries; j++) {
        BigDecimal term = rounded(terms[j], bins);
        expected[j] = sign > 0 ? expected[j].add(term) : expected[j].subtract(term);
        assertThat(value(sums, j, entries, bins)).isEqualByComparingTo(expected[j]);
      }
    }
    double[] totals = new double[entries];
    Bins.totals(sums, 0, entries * Long.BYTES, bins, totals, entries);
    for (int j = 0; j < entries; j++) {
      double exact = expected[j].doubleValue();
      assertThat(totals[j]).isBetween(exact - Math.ulp(exact), exact + Math.ulp(exact));
      assertThat(totals[j]).isEqualTo(Bins.total(sums, j * Long.BYTES, entries * Long.BYTES, bins));
    }
  }

  @ParameterizedTest
  @ValueSource(ints = {2, 3})
  void vectorsGiveTheBitsOfThePlainLoop(int bins) {
    Random random = new Random(11);
    for (int entries : new int[] {0, 1, 7, 8, 64, 1003}) {
      ByteBuffer plain = sums(entries, bins);
      ByteBuffer vectors = sums(entries, bins);
      for (int model = 0; model < 50; model++) {
        double[] terms = terms(random, entries);
        add(0, plain, bins, terms, 1);
        add(1, vectors, bins, terms, 1);
        assertThat(vectors).isEqualTo(plain);
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"2, 1", "2, 2", "2, 3", "3, 1", "3, 2", "3, 3"})
  void neitherOrderNorHistoryLeavesATrace(int bins, long seed) {
    Random random = new Random(seed);
    int entries = 29;
    List<double[]> present = new ArrayList<>();
    ByteBuffer sums = sums(entries, bins);
    for (int change = 0; change < 500; change++) {
      if (random.nextInt(5) < 3 || present.isEmpty()) {
        present.add(terms(random, entries));
        add(random.nextInt(2), sums, bins, present.get(present.size() - 1), 1);
      } else {
        double[] gone = present.remove(random.nextInt(present.size()));
        add(random.nextInt(2), sums, bins, gone, -1);
      }
    }
    Collections.shuffle(present, random);
    for (int loop : LOOPS) {
      ByteBuffer anew = sums(entries, bins);
      present.forEach(terms -> add(loop, anew, bins, terms, 1));
      assertThat(anew).isEqualTo(sums);
    }
    Collections.shuffle(present, random);
    present.forEach(terms -> add(1, sums, bins, terms, -1));
    assertThat(sums).as("nothing is left").isEqualTo(sums(entries, bins));
  }

  @Test
  void aMillionOfTheLargestTermsFits() {
    int entries = 16;
    ByteBuffer sums = sums(entries, 2);
    double[] terms = new double[entries];
    for (int j = 0; j < entries; j++) {
      terms[j] = j % 2 == 0 ? Bins.LARGEST : -Bins.LARGEST + Bins.unit(1);
    }
    int models = 1 << 20;
    for (int model = 0; model < models; model++) {
      add(1, sums, 2, terms, 1);
    }
    for (int j = 0; j < entries; j++) {
      assertThat(value(sums, j, entries, 2))
          .isEqualByComparingTo(rounded(terms[j], 2).multiply(new BigDecimal(models)));
    }
    double[] totals = new double[entries];
    Bins.totals(sums, 0, entries * Long.BYTES, 2, totals, entries);
    assertThat(totals[0]).isEqualTo(models * Bins.LARGEST);
    for (int model = 0; model < models; model++) {
      add(1, sums, 2, terms, -1);
    }
    assertThat(sums).isEqualTo(sums(entries, 2));
  }

  @ParameterizedTest
  @ValueSource(
      doubles = {
        0x1.0000000000001p19,
        0x1p1000,
        Double.MAX_VALUE,
        Double.POSITIVE_INFINITY,
        Double.NEGATIVE_INFINITY,
        Double.NaN
      })
  void aTermThatIsTooLargeOrNotFiniteIsCountedAndNotAdded(double bad) {
    for (int at = 0; at < 67; at++) {
      double[] terms = terms(new Random(at), 67);
      terms[at] = at % 2 == 0 ? bad : -bad;
      double[] expected = terms.clone();
      expected[at] = 0;
      assertThat(Bins.clean(terms, 67, 0)).isOne();
      assertThat(terms).isEqualTo(expected);
      assertThat(Bins.clean(terms, 67, 0)).isZero();
    }
  }

  @Test
  void aTinyTermIsOutsideOnlyWhereItMustNotBecomeZero() {
    double least = Bins.unit(2);
    for (int at = 0; at < 40; at++) {
      double[] terms = new double[40];
      Arrays.fill(terms, 1, 40, least);
      terms[3] = -0.0;
      for (double tiny : new double[] {Double.MIN_VALUE, Math.nextDown(least), -least / 2}) {
        terms[at] = tiny;
        assertThat(Bins.clean(terms, 40, 0)).isZero();
        assertThat(terms[at]).isEqualTo(tiny);
        assertThat(Bins.clean(terms, 40, least)).isOne();
        assertThat(terms[at]).isZero();
      }
    }
  }
}
