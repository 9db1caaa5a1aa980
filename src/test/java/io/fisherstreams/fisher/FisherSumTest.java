package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FisherSumTest {
  private static final int ELEMENTS = 203;
  private static final int OFFSET = 12;

  private record Term(float[] values, double multiplier) {}

  /** Terms over 60 binary orders of magnitude, a third of them zero. */
  private static List<Term> terms(Random random, int count) {
    List<Term> terms = new ArrayList<>();
    for (int i = 0; i < count; i++) {
      float[] values = new float[ELEMENTS];
      for (int j = 0; j < ELEMENTS; j++) {
        values[j] =
            random.nextInt(3) == 0
                ? 0
                : Math.scalb(1 + random.nextFloat(), random.nextInt(60) - 30);
      }
      terms.add(new Term(values, random.nextBoolean() ? 1 : 1 + random.nextInt(1000)));
    }
    return terms;
  }

  private static float[] sum(List<Term> terms) {
    FisherSum sum = new FisherSum(ELEMENTS);
    sum.clear(ELEMENTS);
    addAll(sum, terms);
    return rounded(sum);
  }

  /** Two by two, and the last one singly. */
  private static void addAll(FisherSum sum, List<Term> terms) {
    for (int i = 0; i < terms.size() - 1; i += 2) {
      Term first = terms.get(i);
      Term second = terms.get(i + 1);
      sum.add(bytes(first), first.multiplier, bytes(second), second.multiplier, OFFSET);
    }
    if (terms.size() % 2 == 1) {
      Term last = terms.get(terms.size() - 1);
      sum.add(bytes(last), OFFSET, last.multiplier);
    }
  }

  private static ByteBuffer bytes(Term term) {
    return bytes(term.values);
  }

  /** As a payload has them, behind others. */
  private static ByteBuffer bytes(float... values) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(OFFSET + values.length * Float.BYTES);
    for (int j = 0; j < values.length; j++) {
      bytes.order(ByteOrder.LITTLE_ENDIAN).putFloat(OFFSET + j * Float.BYTES, values[j]);
    }
    return bytes;
  }

  private static float[] rounded(FisherSum sum) {
    float[] rounded = new float[ELEMENTS];
    sum.toFloats(rounded, 0);
    return rounded;
  }

  private static float exact(List<Term> terms, int j) {
    BigDecimal sum = BigDecimal.ZERO;
    for (Term term : terms) {
      sum = sum.add(new BigDecimal(term.values[j]).multiply(new BigDecimal(term.multiplier)));
    }
    return nearest(sum);
  }

  /**
   * The float32 nearest to an exact value, ties to even; by comparison, as {@code
   * BigDecimal.floatValue} of old JDKs rounds twice.
   */
  private static float nearest(BigDecimal exact) {
    float guess = exact.floatValue();
    float best = guess;
    for (float candidate : new float[] {Math.nextDown(guess), Math.nextUp(guess)}) {
      int order =
          new BigDecimal(candidate)
              .subtract(exact)
              .abs()
              .compareTo(new BigDecimal(best).subtract(exact).abs());
      if (order < 0 || (order == 0 && (Float.floatToIntBits(candidate) & 1) == 0)) {
        best = candidate;
      }
    }
    return best;
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void isTheRoundedExactSumInEveryOrder(long seed) {
    Random random = new Random(seed);
    List<Term> terms = terms(random, 300);
    float[] expected = new float[ELEMENTS];
    for (int j = 0; j < ELEMENTS; j++) {
      expected[j] = exact(terms, j);
    }
    for (int shuffle = 0; shuffle < 20; shuffle++) {
      Collections.shuffle(terms, random);
      assertThat(sum(terms)).as("seed %d, shuffle %d", seed, shuffle).isEqualTo(expected);
    }
  }

  @Test
  void aTermFarBelowDecidesATieOfFloats() {
    // 1 + 2^-24 lies half-way between two floats; what comes on top decides, however small.
    float half = Math.scalb(1f, -24);
    float little = Math.scalb(1f, -70);
    float[] expected = {Math.nextUp(1f), 1f, Math.nextUp(1f)};
    float[][] orders = {{1, half, little}, {little, half, 1}, {half, 1, little}};
    for (float[] order : orders) {
      FisherSum sum = new FisherSum(3);
      sum.clear(3);
      for (float term : order) {
        sum.add(bytes(term, term == little ? 0 : term, term), OFFSET, 1);
      }
      float[] rounded = new float[3];
      sum.toFloats(rounded, 0);
      assertThat(rounded).isEqualTo(expected);
    }
  }

  @Test
  void goesOnWhereItWasStored() {
    Random random = new Random(5);
    List<Term> terms = terms(random, 100);
    FisherSum sum = new FisherSum(ELEMENTS);
    sum.clear(ELEMENTS);
    addAll(sum, terms.subList(0, 41));
    ByteBuffer stored = ByteBuffer.allocate(OFFSET + ELEMENTS * FisherSum.BYTES).position(OFFSET);
    sum.store(stored);
    assertThat(stored.remaining()).isZero();
    FisherSum loaded = new FisherSum(ELEMENTS);
    loaded.load(stored, OFFSET, ELEMENTS);
    addAll(loaded, terms.subList(41, 100));
    assertThat(rounded(loaded)).isEqualTo(sum(terms));
  }
}
