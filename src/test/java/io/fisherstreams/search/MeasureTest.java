package io.fisherstreams.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.search.Measure.Difference;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class MeasureTest {
  private static Scores classes(List<Double> correct) {
    return new Scores(correct, correct, Collections.nCopies(correct.size(), 1.0));
  }

  private static final Scores HALF = classes(List.of(1.0, 0.0, 1.0, 0.0));
  private static final Scores MORE = classes(List.of(1.0, 1.0, 1.0, 0.0));
  private static final Scores FEW = classes(List.of(0.0, 0.0, 0.0, 1.0));

  @Test
  void meanAndWorst() {
    Map<String, Scores> byTask = Map.of("a", MORE, "b", FEW);
    assertThat(Measure.MEAN_ACCURACY.of(byTask)).isEqualTo(0.5);
    assertThat(Measure.WORST_ACCURACY.of(byTask)).isEqualTo(0.25);
    assertThat(Measure.MEAN_LOG_LIKELIHOOD.of(byTask)).isEqualTo(0.5);
    assertThat(Measure.WORST_LOG_LIKELIHOOD.of(byTask)).isEqualTo(0.25);
  }

  @Test
  void theErrorOfADifferenceComesFromTheDifferencesOfTheExamples() {
    // Differences 0, 1, 0, 0: mean 1/4, variance 1/4, variance of the mean 1/16.
    Difference one = Measure.MEAN_ACCURACY.difference(Map.of("a", MORE), Map.of("a", HALF));
    assertThat(one.value()).isEqualTo(0.25);
    assertThat(one.error()).isCloseTo(0.25, within(1e-12));
    assertThat(one.isBeyondNoise()).isFalse();

    // The mean of two tasks: half of the square root of the sum of their variances.
    Difference two =
        Measure.MEAN_ACCURACY.difference(
            Map.of("a", MORE, "b", MORE), Map.of("a", HALF, "b", HALF));
    assertThat(two.value()).isEqualTo(0.25);
    assertThat(two.error()).isCloseTo(0.25 / Math.sqrt(2), within(1e-12));
  }

  @Test
  void equalModelsDifferByNothing() {
    for (Measure measure : Measure.values()) {
      Difference none = measure.difference(Map.of("a", MORE), Map.of("a", MORE));
      assertThat(none).isEqualTo(new Difference(0, 0));
      assertThat(none.isBeyondNoise()).isFalse();
    }
  }

  @Test
  void worstTasksThatDifferAreNotPaired() {
    Difference difference =
        Measure.WORST_ACCURACY.difference(
            Map.of("a", HALF, "b", MORE), Map.of("a", MORE, "b", FEW));
    assertThat(difference.value()).isEqualTo(0.25);
    // s²/n of HALF is (1/3)/4, of FEW (1/4)/4.
    assertThat(difference.error()).isCloseTo(Math.sqrt(1.0 / 12 + 1.0 / 16), within(1e-12));
  }

  @Test
  void itemsOfManyTokensCountByTheirTokens() {
    Scores model = new Scores(List.of(8.0, 1.0), List.of(-1.0, -2.0), List.of(10.0, 5.0));
    Scores reference = new Scores(List.of(5.0, 1.0), List.of(-4.0, -2.0), List.of(10.0, 5.0));
    assertThat(model.accuracy()).hasValue(9.0 / 15);
    assertThat(model.meanLogLikelihood()).isEqualTo(-3.0 / 15);
    Difference difference =
        Measure.MEAN_ACCURACY.difference(Map.of("t", model), Map.of("t", reference));
    // Ratio 3/15; residuals 3 − 2 and 0 − 1; variance (1 + 1) · 2 / 1 / 15².
    assertThat(difference.value()).isCloseTo(0.2, within(1e-12));
    assertThat(difference.error()).isCloseTo(2.0 / 15, within(1e-12));
  }

  @Test
  void oneExampleSaysNothing() {
    Scores right = classes(List.of(1.0));
    Scores wrong = classes(List.of(0.0));
    assertThat(
            Measure.MEAN_ACCURACY
                .difference(Map.of("a", right), Map.of("a", wrong))
                .isBeyondNoise())
        .isFalse();
  }
}
