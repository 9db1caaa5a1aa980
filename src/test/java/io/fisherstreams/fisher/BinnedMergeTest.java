package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

class BinnedMergeTest {
  private static final int ELEMENTS = 9_001; // several chunks, and no multiple of any vector
  private static final int MODELS = 20;

  static Stream<MergeFormula> formulas() {
    return Stream.of(
        new FisherAverage(1, 1, Unit.NORM, 1e-6),
        new FisherAverage(1.4, 1, Unit.NORM, 0),
        new FisherAverage(0.5, 1, Unit.ONE, 1e-3),
        new FisherAverage(1, 0.5, Unit.NORM, 1e-6),
        new FisherAverage(0.7, 2, Unit.ONE, 0.25),
        new FisherAverage(1, 0, Unit.NORM, 1e-6),
        new FisherAverage(1, 1, Unit.MEAN, 1e-3),
        new FisherAverage(0, 1, Unit.MEAN, 1e-3),
        new GradientMatching(1, 0.3),
        new GradientMatching(0.8, 1e-4),
        new TaskArithmetic(0.3),
        new TaskArithmetic(1));
  }

  private final double[] base = new Random(1).doubles(ELEMENTS, -1, 1).toArray();

  private static ByteBuffer bytes(DType type, double[] values) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(values.length * type.bytes());
    FloatCodec.fromDouble(type, values, 0, values.length, bytes, 0);
    return bytes;
  }

  /** A model whose Fisher has many magnitudes, some zeros, and zeros only where {@code j % 97}. */
  private static Term term(Random random, DType type) {
    double[] fisher = new double[ELEMENTS];
    for (int j = 0; j < ELEMENTS; j++) {
      fisher[j] =
          j % 97 == 0 || random.nextInt(20) == 0 ? 0 : Math.pow(10, -7 * random.nextDouble());
    }
    return new Term(
        type,
        bytes(type, random.doubles(ELEMENTS, -2, 2).toArray()),
        bytes(DType.F32, fisher),
        1 + random.nextInt(300),
        0.5 + random.nextDouble(),
        0.01 + random.nextDouble());
  }

  private static List<Term> terms(long seed) {
    Random random = new Random(seed);
    List<Term> terms = new ArrayList<>();
    for (int m = 0; m < MODELS; m++) {
      terms.add(term(random, List.of(DType.F32, DType.BF16, DType.F16, DType.F64).get(m % 4)));
    }
    return terms;
  }

  private static double weights(List<Term> terms) {
    return terms.stream().mapToDouble(Term::weight).sum();
  }

  private ByteBuffer sums(BinnedMerge merge) {
    return ByteBuffer.allocateDirect(ELEMENTS * merge.bytes()).order(ByteOrder.LITTLE_ENDIAN);
  }

  private ByteBuffer add(BinnedMerge merge, List<Term> terms) {
    ByteBuffer sums = sums(merge);
    merge.begin(sums, ELEMENTS, 0, base);
    terms.forEach(merge::add);
    return sums;
  }

  /** The models one after the other in float64, as fewer models are merged. */
  private double[] inOrder(MergeFormula formula, List<Term> terms, int unweighted) {
    MergeSums sums = formula.sums(MergeKernel.java(), ELEMENTS);
    sums.begin(ELEMENTS, base);
    terms.forEach(sums::add);
    double[] merged = new double[ELEMENTS];
    assertThat(sums.finish(merged)).isEqualTo(unweighted);
    return merged;
  }

  @ParameterizedTest
  @MethodSource("formulas")
  void theResultIsThatOfOrderedSumsUpToTheirRounding(MergeFormula formula) {
    List<Term> terms = terms(3);
    BinnedMerge merge = new BinnedMerge(formula);
    add(merge, terms);
    double[] merged = new double[ELEMENTS];
    int unweighted = merge.finish(MODELS, weights(terms), merged);
    boolean mayBeZero =
        formula.sums(MergeKernel.java(), 1).mayBeUnweighted() && formula.constant() == 0;
    assertThat(unweighted).isEqualTo(mayBeZero ? (ELEMENTS + 96) / 97 : 0);
    assertThat(merged).containsExactly(inOrder(formula, terms, unweighted), within(1e-12));
  }

  @ParameterizedTest
  @MethodSource("formulas")
  void neitherOrderNorHistoryLeavesATrace(MergeFormula formula) {
    List<Term> terms = terms(4);
    BinnedMerge merge = new BinnedMerge(formula);
    ByteBuffer expected = add(merge, terms);
    double[] merged = new double[ELEMENTS];
    merge.finish(MODELS, 1, merged);
    List<Term> shuffled = new ArrayList<>(terms);
    Collections.shuffle(shuffled, new Random(5));
    List<Term> others = terms(6);
    ByteBuffer sums = add(merge, others);
    shuffled.forEach(merge::add);
    others.forEach(merge::subtract);
    assertThat(sums).isEqualTo(expected);
    double[] again = new double[ELEMENTS];
    merge.finish(MODELS, 1, again);
    assertThat(again).containsExactly(merged);
  }

  private static Term entry(int j, double theta, double fisher, double weight) {
    double[] thetas = new double[ELEMENTS];
    double[] fishers = new double[ELEMENTS];
    thetas[j] = theta;
    fishers[j] = fisher;
    return new Term(DType.F64, bytes(DType.F64, thetas), bytes(DType.F32, fishers), 1, weight);
  }

  @Test
  void aTermOutsideTheBinsIsCountedUntilItsModelIsTakenOut() {
    BinnedMerge merge = new BinnedMerge(FisherAverage.of(1e-6, false));
    List<Term> terms = terms(7);
    ByteBuffer expected = add(merge, terms);
    for (double theta : new double[] {0x1p1000, -0x1p30, 0x1p20}) {
      Term large = entry(5000, theta, 1, 1);
      ByteBuffer sums = add(merge, terms);
      merge.add(large);
      assertThat(merge.outside()).isOne();
      assertThat(merge.finish(MODELS + 1, 1, new double[ELEMENTS])).isEqualTo(-1);
      merge.begin(sums, ELEMENTS, 1, base);
      merge.subtract(large);
      assertThat(merge.outside()).isZero();
      assertThat(sums).isEqualTo(expected);
      assertThat(merge.finish(MODELS, 1, new double[ELEMENTS])).isZero();
    }
  }

  @Test
  void aDenominatorBelowTheBinsPrecisionIsFoundFromTheModelsAlone() {
    MergeFormula formula = FisherAverage.of(1e-14, false);
    BinnedMerge merge = new BinnedMerge(formula);
    double[] merged = new double[ELEMENTS];
    add(merge, List.of(entry(3, 1, 1, 1)));
    assertThat(merge.finish(20, 1, merged)).isEqualTo(-1);
    formula = FisherAverage.of(1e-6, false);
    merge = new BinnedMerge(formula);
    add(merge, List.of(entry(3, 1, 1, 1)));
    assertThat(merge.finish(20, 1, merged)).isZero();
  }

  @Test
  void withoutEpsilonATinyFisherIsNotTakenForZero() {
    BinnedMerge merge = new BinnedMerge(FisherAverage.of(0, false));
    double[] merged = new double[ELEMENTS];
    add(merge, List.of(entry(3, 1.5, Float.MIN_VALUE, 1), entry(4, 1, 0, 1)));
    assertThat(merge.outside()).isOne();
    assertThat(merge.finish(2, 2, merged)).isEqualTo(-1);
    add(merge, List.of(entry(3, 1.5, 1e-20, 1), entry(4, 3, 0, 1)));
    assertThat(merge.finish(2, 2, merged)).isEqualTo(ELEMENTS - 1);
    assertThat(merged[3]).isEqualTo(1.5);
    assertThat(merged[4]).as("the average by weights").isEqualTo(1.5);
  }
}
