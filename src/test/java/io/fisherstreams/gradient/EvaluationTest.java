package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.gradient.model.ModelRuntime;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class EvaluationTest {

  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 8})
  void countsHitsAndAveragesLogLikelihood(int batchSize) {
    float third = (float) Math.log(1.0 / 3);
    ListSource source =
        new ListSource(
            List.of(
                // p(label) = ½, hit; ⅔·½ = ⅓ … given as log-probabilities of three classes
                example(
                    0, 0, (float) Math.log(0.5), (float) Math.log(0.25), (float) Math.log(0.25)),
                example(1, 1, third, third, third),
                example(2, 2, (float) Math.log(0.1), (float) Math.log(0.2), (float) Math.log(0.7)),
                example(
                    3, 2, (float) Math.log(0.6), (float) Math.log(0.1), (float) Math.log(0.3))));
    try (ModelRuntime runtime = identity().load()) {
      Evaluation evaluation = Evaluation.of(runtime, source, batchSize, ExampleProgress.SILENT);
      assertThat(evaluation.examples()).isEqualTo(4);
      // Of equal probabilities the first class counts, so the second example is a miss.
      assertThat(evaluation.accuracy()).hasValue(0.5);
      double expected = (Math.log(0.5) + Math.log(1.0 / 3) + Math.log(0.7) + Math.log(0.3)) / 4;
      assertThat(evaluation.meanLogLikelihood()).isCloseTo(expected, within(1e-6));
    }
  }

  @Test
  void rejectsAnEmptySourceAndBadLabels() {
    try (ModelRuntime runtime = identity().load()) {
      assertThatThrownBy(
              () -> Evaluation.of(runtime, new ListSource(List.of()), 2, ExampleProgress.SILENT))
          .isInstanceOf(InvalidInput.class);
      ListSource bad = new ListSource(List.of(example(0, 3, 0, 0, 0)));
      assertThatThrownBy(() -> Evaluation.of(runtime, bad, 2, ExampleProgress.SILENT))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("label 3");
    }
  }

  /** A network whose logits are its input. */
  private static RandomModel identity() {
    RandomModel model =
        new RandomModel(1, "{'model_type': 'mlp', 'input_size': 3, 'num_labels': 3}");
    model.tensor("layers.0.weight", 3, 3);
    model.tensor("layers.0.bias", 3);
    model.checkpoint.put("layers.0.weight", new float[] {1, 0, 0, 0, 1, 0, 0, 0, 1});
    model.checkpoint.put("layers.0.bias", new float[3]);
    return model;
  }

  private static Example example(long index, long label, float... logits) {
    return new Example(
        "list", index, label, Map.of("pixel_values", InputTensor.ofFloats(List.of(3L), logits)));
  }
}
