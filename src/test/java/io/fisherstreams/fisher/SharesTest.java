package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.fisher.MergeFormula.Model;
import io.fisherstreams.fisher.Shares.Takeover;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class SharesTest {
  private static final long MILLION = 1_000_000;

  /** A Fisher with entries uniform between 0 and {@code top}: mean top/2, mean square top²/3. */
  private static GroupedModel uniform(double coefficient, double top, long elements) {
    return model(coefficient, elements * top / 2, top * Math.sqrt(elements / 3.0), elements);
  }

  private static GroupedModel model(double coefficient, double total, double norm, long entries) {
    return GroupedModel.of(new Model(coefficient, total, norm, entries));
  }

  /**
   * The table of published traps, two models over 10⁶ parameters, ε = 1e-6. For Fishers uniform
   * below a and b the shares' ratio is (b/2 + ε)/(a/2 + ε) · (a√(J/3) + ε)/(b√(J/3) + ε).
   */
  @ParameterizedTest
  @CsvSource({"1e-4, 0.5000, 0.50", "1e-6, 0.7459, 0.50", "1e-8, 0.9941, 0.50", "0, 0.9991, 0"})
  void aTinyFisherTakesOverANormalisedMerge(double top, double share, double without) {
    Map<String, GroupedModel> models =
        Map.of("large", uniform(0.5, 1e-4, MILLION), "tiny", uniform(0.5, top, MILLION));

    assertThat(Shares.of(models, FisherAverage.of(1e-6, true)).get("tiny"))
        .isCloseTo(share, within(1e-4));
    List<Takeover> takeovers = Shares.takeovers(models, FisherAverage.of(1e-6, true));
    if (share - without < 0.05) {
      assertThat(takeovers).isEmpty();
    } else {
      assertThat(takeovers).hasSize(1);
      assertThat(takeovers.get(0).model()).isEqualTo("tiny");
      assertThat(takeovers.get(0).share()).isCloseTo(share, within(1e-4));
      assertThat(takeovers.get(0).shareWithoutEpsilon()).isCloseTo(without, within(1e-12));
      assertThat(takeovers.get(0).norm()).isEqualTo(models.get("tiny").whole().norm());
    }
  }

  @Test
  void sharesOfConstantFishersFollowTheirClosedForm() {
    // Constant f over J entries: ΣF = fJ and N = f√J, so normalised and without ε all are equal.
    Map<String, GroupedModel> models =
        Map.of(
            "a", model(0.6, 2 * 100, 2 * 10, 100),
            "b", model(0.3, 7 * 100, 7 * 10, 100),
            "c", model(0.1, 0.5 * 100, 0.5 * 10, 100));

    Map<String, Double> normalised = Shares.of(models, FisherAverage.of(0, true));
    assertThat(normalised.get("a")).isCloseTo(0.6, within(1e-15));
    assertThat(normalised.get("b")).isCloseTo(0.3, within(1e-15));
    assertThat(normalised.get("c")).isCloseTo(0.1, within(1e-15));

    // Not normalised: λ(f + ε), here 0.6·3, 0.3·8 and 0.1·1.5 with ε = 1.
    Map<String, Double> plain = Shares.of(models, FisherAverage.of(1, false));
    assertThat(plain.get("a")).isCloseTo(1.8 / 4.35, within(1e-15));
    assertThat(plain.get("b")).isCloseTo(2.4 / 4.35, within(1e-15));
    assertThat(plain.get("c")).isCloseTo(0.15 / 4.35, within(1e-15));

    // Normalised with ε = 1: λ(f + 1)·100 / (10f + 1).
    double a = 0.6 * 300 / 21;
    double b = 0.3 * 800 / 71;
    double c = 0.1 * 150 / 6;
    assertThat(Shares.of(models, FisherAverage.of(1, true)).get("c"))
        .isCloseTo(c / (a + b + c), within(1e-15));
  }

  @Test
  void aModelWithoutCoefficientHasNoShare() {
    Map<String, GroupedModel> models = Map.of("a", model(1, 10, 1, 100), "b", model(0, 0, 0, 100));

    assertThat(Shares.of(models, FisherAverage.of(1e-6, true)))
        .isEqualTo(Map.of("a", 1.0, "b", 0.0));
    assertThat(Shares.takeovers(models, FisherAverage.of(1e-6, true))).isEmpty();
  }

  @Test
  void aPoolOfOneModelCannotBeTakenOver() {
    assertThat(Shares.takeovers(Map.of("a", model(1, 0, 0, 100)), FisherAverage.of(1e-6, true)))
        .isEmpty();
  }

  @Test
  void everyModelIsNamedWhenAllFishersAreZero() {
    Map<String, GroupedModel> models = Map.of("b", model(1, 0, 0, 100), "a", model(1, 0, 0, 100));

    assertThat(Shares.takeovers(models, FisherAverage.of(1e-6, true)))
        .extracting(Takeover::model)
        .containsExactly("a", "b");
    assertThat(Shares.of(models, FisherAverage.of(0, true))).isEqualTo(Map.of("a", 0.0, "b", 0.0));
  }

  @Test
  void theWarningNamesModelFiguresAndRemedy() {
    assertThat(new Takeover("tiny", 5.77e-6, 1e-6, 0.9941, 0.5).message())
        .contains("'tiny'", "0.9941", "0.5000", "5.77e-06", "1.00e-06", "minimal_fisher_weight");
  }
}
