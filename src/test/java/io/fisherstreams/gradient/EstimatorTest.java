package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.Cotangents;
import io.fisherstreams.gradient.model.ForwardPass;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.SquaredSums;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EstimatorTest {

  @ParameterizedTest
  @ValueSource(ints = {2, 3, 7, 40})
  void exactDirectionsReproduceTheCovarianceOfTheLabel(int classes) {
    Random random = new Random(classes);
    float[] logits = new float[classes];
    for (int c = 0; c < classes; c++) {
      logits[c] = (float) random.nextGaussian();
    }
    Predictions predictions = predict(1, logits);
    double[] p = predictions.probabilities(0);
    Cotangents directions = new Estimator.Exact().directions(predictions);
    assertThat(directions.count()).isLessThan(classes);
    for (int i = 0; i < classes; i++) {
      for (int j = 0; j < classes; j++) {
        double sum = 0;
        for (float[] direction : directions.values()) {
          sum += (double) direction[i] * direction[j];
        }
        // Σ_c p_c (e_c − p)(e_c − p)ᵀ
        double expected = (i == j ? p[i] : 0) - p[i] * p[j];
        assertThat(sum).isCloseTo(expected, within(1e-6 * p[i] + 1e-9));
      }
    }
  }

  @Test
  void exactNeedsOneDirectionForTwoClassesAndFewForAConfidentModel() {
    assertThat(new Estimator.Exact().directions(predict(2, 0, 1, 3, -2)).count()).isEqualTo(2);
    float[] confident = new float[300];
    confident[17] = 20;
    confident[4] = 19;
    // The 298 others have probability 1.5e-9 each, against a variance of 0.4: together they count,
    // the last ones (below 2⁻²⁴ of it) do not.
    assertThat(new Estimator.Exact().directions(predict(1, confident)).count()).isBetween(250, 298);
    confident[17] = 40;
    confident[4] = 39;
    assertThat(new Estimator.Exact().directions(predict(1, confident)).count()).isEqualTo(1);
  }

  @Test
  void exactSurvivesProbabilitiesThatUnderflow() {
    Cotangents directions = new Estimator.Exact().directions(predict(1, 2000, -2000, 0, 1999));
    assertThat(directions.count()).isEqualTo(1);
    double p = 1 / (1 + Math.exp(-1));
    double root = Math.sqrt(p * (1 - p));
    float[] expected = {(float) root, 0, 0, (float) -root};
    for (int c = 0; c < 4; c++) {
      assertThat(directions.values()[0][c]).isCloseTo(expected[c], within(0f));
    }
    assertThat(new Estimator.Exact().directions(predict(1, 5000, 0)).count()).isZero();
  }

  @Test
  void empiricalTakesTheLabelsScore() {
    Predictions predictions = predict(1, 0, (float) Math.log(3));
    Cotangents directions = new Estimator.Empirical().directions(predictions);
    assertThat(directions.values()[0]).containsExactly(0.75f, -0.75f);
  }

  @Test
  void fusionBenchTakesRootsOfProbabilities() {
    Cotangents directions =
        new Estimator.FusionBench().directions(predict(1, 0, (float) Math.log(3)));
    double roots = 0.5 + Math.sqrt(0.75);
    assertThat(directions.values()[0][0]).isCloseTo((float) (0.5 - 0.25 * roots), within(1e-6f));
    assertThat(directions.values()[0][1])
        .isCloseTo((float) (Math.sqrt(0.75) - 0.75 * roots), within(1e-6f));
    assertThat(directions.squaring()).isEqualTo(Cotangents.Squaring.TOTAL);
  }

  @Test
  void drawsFollowTheModelsProbabilities() {
    int examples = 20_000;
    float[] logits = new float[examples * 3];
    for (int i = 0; i < examples; i++) {
      logits[3 * i] = (float) Math.log(0.5);
      logits[3 * i + 1] = (float) Math.log(0.2);
      logits[3 * i + 2] = (float) Math.log(0.3);
    }
    Cotangents directions = new Estimator.Sampled(1, 42).directions(predict(examples, logits));
    int[] drawn = new int[3];
    for (float[] direction : directions.values()) {
      for (int c = 0; c < 3; c++) {
        drawn[c] += direction[c] > 0 ? 1 : 0;
      }
    }
    // Three standard deviations of a binomial count are below 0.011.
    assertThat(drawn[0] / (double) examples).isCloseTo(0.5, within(0.011));
    assertThat(drawn[1] / (double) examples).isCloseTo(0.2, within(0.011));
    assertThat(drawn[2] / (double) examples).isCloseTo(0.3, within(0.011));
  }

  @Test
  void aDrawDependsOnSeedExampleAndNumberAlone() {
    float[] logits = {0, 0.1f, 0.2f, 0, 0, 0, 0.5f, 0, 0};
    Estimator sampled = new Estimator.Sampled(4, 9);
    Cotangents together = sampled.directions(predict(3, logits));
    List<float[]> apart = new ArrayList<>();
    for (int i = 0; i < 3; i++) {
      float[] one = {logits[3 * i], logits[3 * i + 1], logits[3 * i + 2]};
      Example example = new Example("examples", i, 0, Map.of());
      apart.addAll(List.of(sampled.directions(Predictions.of(List.of(example), one)).values()));
    }
    assertThat(apart.toArray(new float[0][])).isDeepEqualTo(together.values());
    float[][] otherSeed = new Estimator.Sampled(4, 10).directions(predict(3, logits)).values();
    assertThat(Arrays.deepEquals(otherSeed, together.values())).isFalse();
  }

  @Test
  void sampledConvergesToExact() {
    RandomModel model = RandomModel.gpt2(3, 2, 2, 8, 16, 3, "right", "transformer.", "");
    float[] score = model.checkpoint.get("score.weight");
    for (int i = 0; i < score.length; i++) {
      score[i] *= 0.2f;
    }
    int samples = 100_000;
    try (ModelRuntime runtime = model.load();
        ForwardPass pass = runtime.forward(model.examples)) {
      Predictions predictions = Predictions.of(model.examples, pass.logits());
      for (int i = 0; i < predictions.size(); i++) {
        // A class of probability p has a share of draws with relative deviation √((1−p)/(p·k)), at
        // most 0.0075 for p ≥ 0.15; so has any entry of the Fisher, a sum over classes.
        assertThat(Arrays.stream(predictions.probabilities(i)).min().orElseThrow())
            .isGreaterThan(0.15);
      }
    }
    try (ModelRuntime runtime = model.load()) {
      Map<String, double[]> exact = fisher(model, runtime, new Estimator.Exact());
      Map<String, double[]> sampled = fisher(model, runtime, new Estimator.Sampled(samples, 1));
      // Four standard deviations.
      exact.forEach(
          (name, values) ->
              assertThat(Conformance.relativeError(sampled.get(name), values))
                  .as(name)
                  .isLessThan(0.03));
      Map<String, double[]> few = fisher(model, runtime, new Estimator.Sampled(4, 1));
      assertThat(Conformance.relativeError(few.get("score.weight"), exact.get("score.weight")))
          .isGreaterThan(0.03);
    }
  }

  @Test
  void sampledDoesNotDependOnTheBatchSizeAndASeedGivesTheSameBytes() {
    RandomModel model = RandomModel.gpt2(4, 2, 2, 8, 16, 4, "left", "", "");
    Estimator sampled = new Estimator.Sampled(3, 77);
    try (ModelRuntime runtime = model.load()) {
      Map<String, double[]> whole = fisher(model, runtime, sampled);
      for (int batchSize : new int[] {1, 2, 3}) {
        Map<String, double[]> parts = fisher(model, runtime, sampled, batchSize);
        whole.forEach(
            (name, values) ->
                assertThat(Conformance.relativeError(parts.get(name), values))
                    .as("%s in batches of %d", name, batchSize)
                    .isLessThan(1e-5));
      }
      Map<String, double[]> again = fisher(model, runtime, sampled);
      whole.forEach((name, values) -> assertThat(again.get(name)).as(name).isEqualTo(values));
    }
  }

  @Test
  void rejectsLabelsOutOfRangeAndLogitsThatAreNotFinite() {
    Example example = new Example("data.jsonl", 6, 2, Map.of());
    assertThatThrownBy(() -> Predictions.of(List.of(example), new float[] {0, 1}))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("data.jsonl: example 6: label 2 is not in 0 … 1");
    assertThatThrownBy(() -> Predictions.of(List.of(example), new float[] {0, Float.NaN, 1}))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("data.jsonl: example 6")
        .hasMessageContaining("class 1 is NaN");
    assertThatThrownBy(() -> new Estimator.Sampled(0, 1)).isInstanceOf(InvalidInput.class);
  }

  private static Predictions predict(int examples, float... logits) {
    List<Example> batch = new ArrayList<>();
    for (int i = 0; i < examples; i++) {
      batch.add(new Example("examples", i, 0, Map.of()));
    }
    return Predictions.of(batch, logits);
  }

  private static Map<String, double[]> fisher(
      RandomModel model, ModelRuntime runtime, Estimator estimator) {
    return fisher(model, runtime, estimator, model.examples.size());
  }

  private static Map<String, double[]> fisher(
      RandomModel model, ModelRuntime runtime, Estimator estimator, int batchSize) {
    FisherEstimation estimation = new FisherEstimation(runtime, estimator);
    try (SquaredSums sums = new SquaredSums(runtime)) {
      for (int from = 0; from < model.examples.size(); from += batchSize) {
        int to = Math.min(model.examples.size(), from + batchSize);
        estimation.add(model.examples.subList(from, to), sums);
      }
      return Conformance.mean(sums);
    }
  }
}
