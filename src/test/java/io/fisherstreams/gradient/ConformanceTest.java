package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class ConformanceTest {
  private static final double TOLERANCE = 1e-4;

  @ParameterizedTest
  @CsvSource({
    "gpt2, exact, 1",
    "gpt2, exact, 2",
    "gpt2, exact, 3",
    "gpt2, exact, 7",
    "gpt2, empirical, 1",
    "gpt2, empirical, 2",
    "gpt2, empirical, 3",
    "gpt2, empirical, 7",
    "gpt2, fusion_bench, 3",
    "clip-vit, exact, 1",
    "clip-vit, exact, 2",
    "clip-vit, exact, 3",
    "clip-vit, exact, 7",
    "clip-vit, empirical, 1",
    "clip-vit, empirical, 2",
    "clip-vit, empirical, 3",
    "clip-vit, empirical, 7",
    "clip-vit, fusion_bench, 3",
    "bert, exact, 1",
    "bert, exact, 7",
    "bert, empirical, 3",
    "bert, fusion_bench, 3",
    "bert-pairs, exact, 1",
    "bert-pairs, exact, 7",
    "bert-pairs, empirical, 3",
    "bert-pairs, fusion_bench, 3",
    "roberta, exact, 1",
    "roberta, exact, 7",
    "roberta, empirical, 3",
    "roberta, fusion_bench, 3",
    "distilbert, exact, 1",
    "distilbert, exact, 7",
    "distilbert, empirical, 3",
    "distilbert, fusion_bench, 3",
    "vit, exact, 1",
    "vit, exact, 7",
    "vit, empirical, 3",
    "vit, fusion_bench, 3",
    "llama-cls, exact, 1",
    "llama-cls, exact, 7",
    "llama-cls, empirical, 3",
    "llama-cls, fusion_bench, 3",
    "llama-cls-left, exact, 1",
    "llama-cls-left, exact, 7",
    "llama-cls-left, empirical, 3",
    "llama-cls-left, fusion_bench, 3",
    "gpt2-cls-left, exact, 1",
    "gpt2-cls-left, exact, 7",
    "gpt2-cls-left, empirical, 3",
    "gpt2-cls-left, fusion_bench, 3",
  })
  void matchesFloat64AutomaticDifferentiation(String model, String estimator, int batchSize) {
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file(model, "expected-" + estimator + ".safetensors"));
    for (Compute compute : Conformance.COMPUTES) {
      try (ModelRuntime runtime = Conformance.load(model, compute);
          ExampleSource source = Conformance.examples(model)) {
        Map<String, double[]> found =
            Conformance.fisher(runtime, source, named(estimator), batchSize);
        assertThat(found.keySet()).isEqualTo(expected.keySet());
        expected.forEach(
            (name, values) -> {
              if (Arrays.stream(values).max().orElseThrow() < 1e-30) {
                // Softmax does not see a key bias; the file holds float64 rounding noise.
                assertThat(name).matches(".*\\.(k_proj|k_lin|key)\\.bias");
                assertThat(found.get(name)).as("%s, %s", name, compute).containsOnly(0);
              } else {
                assertThat(Conformance.relativeError(found.get(name), values))
                    .as("%s, %s", name, compute)
                    .isLessThan(TOLERANCE);
              }
            });
      }
    }
  }

  /** What a publisher checks: it has a manifest's tensors, and not their values. */
  @ParameterizedTest
  @MethodSource("io.fisherstreams.gradient.Conformance#models")
  void theExamplesAreAcceptedByConfigAndShapes(String model) {
    List<TensorInfo> tensors = Conformance.shapes(model);
    Consumer<Example> check = ModelRuntimes.check(Conformance.config(model), tensors).orElseThrow();
    try (ExampleSource source = Conformance.examples(model)) {
      source.forEach(source.count(), check);
      Example example = source.read(0, 1).get(0);
      Example wrong = new Example("file", 0, 1_000, example.inputs());
      if (example.inputs().containsKey(Example.LABELS) || model.matches(".*-lm.*|t5.*")) {
        check.accept(wrong); // a language model's labels are tokens
      } else {
        assertThatThrownBy(() -> check.accept(wrong))
            .isInstanceOf(InvalidInput.class)
            .hasMessageContaining("label 1000 is not in 0 …");
      }
    }
  }

  private static Estimator named(String name) {
    return switch (name) {
      case "exact" -> new Estimator.Exact();
      case "empirical" -> new Estimator.Empirical();
      default -> new Estimator.FusionBench();
    };
  }
}
