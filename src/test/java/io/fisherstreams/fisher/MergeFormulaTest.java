package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.fisher.EpsilonShares.Part;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.MergeFormula.Factors;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.math.BigDecimal;
import java.math.MathContext;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** Every formula against its definition in 60 decimal digits, and against its limits. */
class MergeFormulaTest {
  private static final MathContext DIGITS = new MathContext(60);
  private static final int ELEMENTS = 301; // no multiple of any vector

  /** A model: F = entries / divisor. */
  private record Model(double coefficient, double[] theta, float[] entries, double divisor) {
    BigDecimal fisher(int j) {
      return new BigDecimal(entries[j]).divide(new BigDecimal(divisor), DIGITS);
    }

    MergeFormula.Model sums() {
      double total = 0;
      double squares = 0;
      for (float entry : entries) {
        total += entry / divisor;
        squares += entry / divisor * (entry / divisor);
      }
      return new MergeFormula.Model(coefficient, total, Math.sqrt(squares), entries.length);
    }

    BigDecimal mean() {
      BigDecimal sum = BigDecimal.ZERO;
      for (int j = 0; j < entries.length; j++) {
        sum = sum.add(fisher(j));
      }
      return sum.divide(new BigDecimal(entries.length), DIGITS);
    }

    BigDecimal norm() {
      BigDecimal sum = BigDecimal.ZERO;
      for (int j = 0; j < entries.length; j++) {
        sum = sum.add(fisher(j).pow(2));
      }
      return sum.sqrt(DIGITS);
    }
  }

  static Stream<MergeFormula> formulas() {
    return Stream.of(
        new FisherAverage(1, 1, Unit.NORM, 1e-6),
        new FisherAverage(1.4, 1, Unit.NORM, 0),
        new FisherAverage(0.5, 1, Unit.ONE, 1e-3),
        new FisherAverage(1, 0.5, Unit.NORM, 1e-6),
        new FisherAverage(0.7, 2, Unit.ONE, 0.25),
        new FisherAverage(1, 2, Unit.NORM, 0),
        new FisherAverage(1, 0, Unit.NORM, 1e-6),
        new FisherAverage(1, 1, Unit.MEAN, 1e-3),
        new FisherAverage(1.4, 0.5, Unit.MEAN, 0.1),
        new GradientMatching(1, 0.3),
        new GradientMatching(0.8, 1e-4),
        new TaskArithmetic(0.3),
        new TaskArithmetic(1));
  }

  private static double[] base(Random random) {
    return random.doubles(ELEMENTS, -1, 1).toArray();
  }

  private static List<Model> models(Random random) {
    List<Model> models = new ArrayList<>();
    for (int m = 0; m < 3; m++) {
      float[] entries = new float[ELEMENTS];
      for (int j = 0; j < ELEMENTS; j++) {
        entries[j] = (float) Math.pow(10, -6 * random.nextDouble());
      }
      double[] theta = random.doubles(ELEMENTS, -1, 1).toArray();
      models.add(new Model(0.2 + random.nextDouble(), theta, entries, 1 + random.nextInt(100)));
    }
    return models;
  }

  private static ByteBuffer bytes(DType type, double[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocateDirect(values.length * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    FloatCodec.fromDouble(type, values, 0, values.length, bytes, 0);
    return bytes;
  }

  private static ByteBuffer bytes(float[] values) {
    ByteBuffer bytes = ByteBuffer.allocateDirect(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes;
  }

  private static Term term(MergeFormula formula, DType type, Model model) {
    Factors factors = formula.factors(model.sums());
    return new Term(
        type,
        bytes(type, model.theta),
        bytes(model.entries),
        model.divisor,
        factors.unit(),
        factors.weight());
  }

  private static double[] merge(MergeFormula formula, double[] base, List<Model> models) {
    return merge(formula, DType.F64, base, models, false);
  }

  private static double[] merge(
      MergeFormula formula, DType type, double[] base, List<Model> models, boolean inPairs) {
    MergeSums sums = formula.sums(MergeKernel.java(), base.length + 5);
    sums.begin(base.length, base);
    for (int m = 0; m < models.size(); m++) {
      Term term = term(formula, type, models.get(m));
      if (inPairs && m + 1 < models.size()) {
        sums.add(term, term(formula, type, models.get(++m)));
      } else {
        sums.add(term);
      }
    }
    double[] merged = new double[base.length];
    assertThat(sums.finish(merged)).isZero();
    return merged;
  }

  private static BigDecimal power(BigDecimal base, double exponent) {
    return exponent == 0.5 ? base.sqrt(DIGITS) : base.pow((int) exponent);
  }

  private static BigDecimal weight(FisherAverage formula, Model model, int j) {
    BigDecimal constant = new BigDecimal(formula.constant());
    BigDecimal ratio =
        switch (formula.unit()) {
          case ONE -> model.fisher(j).add(constant);
          case NORM -> model.fisher(j).add(constant).divide(model.norm().add(constant), DIGITS);
          case MEAN -> model.fisher(j).divide(model.mean(), DIGITS).add(constant);
        };
    return power(ratio, formula.exponent()).multiply(new BigDecimal(model.coefficient));
  }

  /** The formula as it is written down. */
  private static double definition(MergeFormula formula, double[] base, List<Model> models, int j) {
    BigDecimal theta0 = new BigDecimal(base[j]);
    BigDecimal upper = BigDecimal.ZERO;
    BigDecimal lower = BigDecimal.ZERO;
    for (Model model : models) {
      BigDecimal tau = new BigDecimal(model.theta[j]).subtract(theta0);
      BigDecimal lambda = new BigDecimal(model.coefficient);
      if (formula instanceof FisherAverage average) {
        BigDecimal weight = weight(average, model, j);
        upper = upper.add(weight.multiply(tau));
        lower = lower.add(weight);
      } else if (formula instanceof GradientMatching matching) {
        BigDecimal g = model.fisher(j).divide(model.mean(), DIGITS);
        BigDecimal weight = g.add(new BigDecimal(matching.prior())).multiply(lambda);
        upper = upper.add(weight.multiply(tau));
        lower = lower.add(g.multiply(lambda));
      } else {
        upper = upper.add(lambda.multiply(tau));
      }
    }
    if (formula instanceof GradientMatching matching) {
      lower = lower.add(new BigDecimal(matching.prior()));
    } else if (formula instanceof TaskArithmetic) {
      lower = BigDecimal.ONE;
    }
    return upper
        .divide(lower, DIGITS)
        .multiply(new BigDecimal(formula.scale()))
        .add(theta0)
        .doubleValue();
  }

  @ParameterizedTest
  @MethodSource("formulas")
  void equalsItsDefinition(MergeFormula formula) {
    Random random = new Random(5);
    double[] base = base(random);
    List<Model> models = models(random);
    double[] merged = merge(formula, base, models);
    for (int j = 0; j < ELEMENTS; j++) {
      assertThat(merged[j])
          .as("entry %d", j)
          .isCloseTo(definition(formula, base, models, j), within(1e-14));
    }
  }

  @ParameterizedTest
  @MethodSource("formulas")
  void narrowTypesAndPairsGiveTheBitsOfSingleFloat64Models(MergeFormula formula) {
    for (DType type : List.of(DType.F32, DType.BF16, DType.F16)) {
      Random random = new Random(9);
      double[] base = base(random);
      List<Model> models = new ArrayList<>();
      for (Model model : models(random)) {
        double[] theta = new double[ELEMENTS];
        FloatCodec.toDouble(type, bytes(type, model.theta), 0, theta, 0, ELEMENTS);
        models.add(new Model(model.coefficient, theta, model.entries, model.divisor));
      }
      double[] expected = merge(formula, base, models);
      assertThat(merge(formula, type, base, models, false)).isEqualTo(expected);
      assertThat(merge(formula, type, base, models, true)).isEqualTo(expected);
    }
  }

  @Test
  void aScaleOfZeroGivesTheBasesBits() {
    Random random = new Random(2);
    double[] base = base(random);
    base[3] = -0.0;
    base[4] = Double.MIN_VALUE;
    for (MergeFormula formula :
        List.of(
            new FisherAverage(0, 1, Unit.NORM, 1e-6),
            new FisherAverage(0, 0.5, Unit.MEAN, 1e-3),
            new GradientMatching(0, 0.3),
            new TaskArithmetic(0))) {
      assertThat(merge(formula, base, models(random))).isEqualTo(base);
    }
  }

  @Test
  void anExponentOfZeroIsThePlainAverageAndAHugePriorIsTaskArithmetic() {
    Random random = new Random(4);
    double[] base = base(random);
    List<Model> models = new ArrayList<>();
    for (Model model : models(random)) {
      models.add(new Model(1.0 / 3, model.theta, model.entries, model.divisor));
    }
    PlainAverage average = new PlainAverage(ELEMENTS);
    average.begin(ELEMENTS);
    models.forEach(model -> average.add(model.theta));
    double[] mean = new double[ELEMENTS];
    average.finish(mean);
    for (FisherAverage formula :
        List.of(
            new FisherAverage(1, 0, Unit.NORM, 1e-6),
            new FisherAverage(1, 0, Unit.ONE, 0),
            new FisherAverage(1, 0, Unit.MEAN, 0.1))) {
      assertThat(merge(formula, base, models)).containsExactly(mean, within(1e-15));
    }
    assertThat(merge(new GradientMatching(0.8, 1e20), base, models))
        .containsExactly(merge(new TaskArithmetic(0.8), base, models), within(1e-15));
  }

  @Test
  void aModelWhoseFisherIsZeroCountsByTheConstantAlone() {
    double[] base = {0, 0};
    Model live = new Model(0.5, new double[] {1, 1}, new float[] {3, 1}, 1);
    Model dead = new Model(0.5, new double[] {-1, -1}, new float[] {0, 0}, 1);
    // G = {1.5, 0.5} and 0, r = 0.5: (2 - 0.5) / 2.5 and (1 - 0.5) / 1.5
    assertThat(merge(new FisherAverage(1, 1, Unit.MEAN, 0.5), base, List.of(live, dead)))
        .containsExactly(new double[] {0.6, 1.0 / 3}, within(1e-15));
    // δ = 0.5: 0.5 (2 - 0.5) / (0.5 + 0.75) and 0.5 (1 - 0.5) / (0.5 + 0.25)
    assertThat(merge(new GradientMatching(1, 0.5), base, List.of(live, dead)))
        .containsExactly(new double[] {0.6, 1.0 / 3}, within(1e-15));
  }

  @Test
  void anEntryWhosePowersAreAllZeroIsTheAverageByCoefficient() {
    FisherAverage formula = new FisherAverage(1, 3, Unit.NORM, 0);
    MergeSums sums = formula.sums(MergeKernel.java(), 2);
    sums.begin(2, new double[2]);
    sums.add(term(formula, DType.F64, new Model(1, new double[] {4, 2}, new float[] {0, 1}, 1)));
    sums.add(term(formula, DType.F64, new Model(3, new double[] {8, 6}, new float[] {0, 1}, 1)));
    double[] merged = new double[2];
    assertThat(sums.finish(merged)).isEqualTo(1);
    assertThat(merged).containsExactly(7, 5);
  }

  /** The table of published figures: a mean Fisher, and the part of ε = 1e-6 in the weight. */
  @ParameterizedTest
  @CsvSource({"1e-6, 0.5", "1e-8, 0.9901", "1e-10, 0.9999"})
  void epsilonSwampsASmallFisher(double mean, double share) {
    MergeFormula.Model model =
        new MergeFormula.Model(0.5, 1000 * mean, mean * Math.sqrt(1000), 1000);
    for (Unit unit : List.of(Unit.ONE, Unit.NORM)) {
      for (double exponent : new double[] {1, 0.5}) {
        FisherAverage formula = new FisherAverage(1, exponent, unit, 1e-6);
        assertThat(EpsilonShares.of(formula.mass(formula.factors(model), model.total(), 1000)))
            .isCloseTo(share, within(1e-4));
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"1e-6", "1e-12", "1"})
  void relativeConstantsDoNotDependOnTheFishersMagnitude(double mean) {
    MergeFormula.Model model = new MergeFormula.Model(0.7, 50 * mean, mean * Math.sqrt(60), 50);
    FisherAverage relative = new FisherAverage(1, 1, Unit.MEAN, 0.25);
    GradientMatching matching = new GradientMatching(1, 0.3);
    assertThat(EpsilonShares.of(relative.mass(relative.factors(model), model.total(), 50)))
        .isCloseTo(0.25 / 1.25, within(1e-15));
    assertThat(EpsilonShares.of(matching.mass(matching.factors(model), model.total(), 50)))
        .isCloseTo(0.3 / 1.3, within(1e-15));
  }

  @Test
  void theWarningNamesTheModelsTheReleaseAndTheRemedy() {
    FisherAverage formula = FisherAverage.of(1e-6, true);
    List<Part> parts =
        List.of(new Part("a", 0.5, 0.99), new Part("b", 0.25, 0.75), new Part("c", 0.25, 0.25));
    assertThat(EpsilonShares.ofRelease(parts)).isCloseTo(0.745, within(1e-15));
    assertThat(EpsilonShares.warning(formula, parts).orElseThrow())
        .contains(
            "minimal_fisher_weight 1.00e-06 is more than half of the weights of 2 of 3 models"
                + " (a 99.00%, b 75.00%), and 74.50% of the release's",
            "near the plain average", "relative_fisher_weight");
    assertThat(EpsilonShares.warning(formula, List.of(new Part("a", 1, 0.5)))).isEmpty();
    assertThat(EpsilonShares.warning(new FisherAverage(1, 0, Unit.NORM, 1), parts)).isEmpty();
    assertThat(EpsilonShares.warning(new GradientMatching(1, 2), parts).orElseThrow())
        .contains("prior 2.00", "near task arithmetic", "Lower prior");
  }

  @Test
  void theSharesOfTaskArithmeticFollowTheAbsoluteCoefficients() {
    assertThat(
            Shares.of(
                Map.of(
                    "a",
                    GroupedModel.of(new MergeFormula.Model(1, 0, 0, 10)),
                    "b",
                    GroupedModel.of(new MergeFormula.Model(-3, 0, 0, 10))),
                new TaskArithmetic(0.3)))
        .isEqualTo(Map.of("a", 0.25, "b", 0.75));
  }
}
