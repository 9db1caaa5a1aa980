package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import java.util.Arrays;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

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
  })
  void matchesFloat64AutomaticDifferentiation(String model, String estimator, int batchSize) {
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file(model, "expected-" + estimator + ".safetensors"));
    try (ModelRuntime runtime = Conformance.load(model);
        ExampleSource source = Conformance.examples(model)) {
      Map<String, double[]> found =
          Conformance.fisher(runtime, source, named(estimator), batchSize);
      assertThat(found.keySet()).isEqualTo(expected.keySet());
      expected.forEach(
          (name, values) -> {
            if (name.endsWith("k_proj.bias")) {
              // Softmax does not see a key bias; the file holds float64 rounding noise.
              assertThat(Arrays.stream(values).max().orElseThrow()).as(name).isLessThan(1e-30);
              assertThat(found.get(name)).as(name).containsOnly(0);
            } else {
              assertThat(Conformance.relativeError(found.get(name), values))
                  .as(name)
                  .isLessThan(TOLERANCE);
            }
          });
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
