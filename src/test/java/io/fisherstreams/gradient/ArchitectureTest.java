package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.SquaredSums;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Random models of every architecture against their Fishers' definitions in float64. */
class ArchitectureTest {
  private static final double TOLERANCE = 1e-4;

  @ParameterizedTest
  @CsvSource({
    // layers, heads, width, inner, classes, padding, prefix, activation, epsilon, scaled, by layer
    "1, 1, 6, 24, 2, right, transformer., gelu_new, 1e-5, true, false",
    "2, 2, 8, 5, 3, left, '', gelu, 1e-12, true, false",
    "3, 4, 8, 32, 2, hole, transformer., relu, 1e-3, true, true",
    "2, 3, 9, 20, 5, none, '', silu, 1e-5, false, false",
    "2, 2, 10, 40, 2, left, transformer., quick_gelu, 0.1, false, true",
    "1, 5, 10, 7, 4, right, '', tanh, 1e-5, true, false",
  })
  void gpt2(
      int layers,
      int heads,
      int width,
      int inner,
      int classes,
      String padding,
      String prefix,
      String activation,
      double epsilon,
      boolean scaled,
      boolean byLayer) {
    String more =
        (", 'activation_function': '%s', 'layer_norm_epsilon': %s, 'scale_attn_weights': %s,"
                + " 'scale_attn_by_inverse_layer_idx': %s")
            .formatted(activation, epsilon, scaled, byLayer);
    RandomModel model =
        RandomModel.gpt2(7, layers, heads, width, inner, classes, padding, prefix, more);
    try (Float64Reference reference =
        Float64Reference.gpt2(model, layers, heads, prefix, activation, epsilon, scaled, byLayer)) {
      assertMatches(model, reference);
    }
  }

  @ParameterizedTest
  @CsvSource({
    // layers, heads, width, inner, channels, image, patch, classes, prefix, nested, act, epsilon
    "1, 1, 6, 12, 3, 8, 4, 2, vision_model., false, quick_gelu, 1e-5",
    "2, 4, 8, 5, 1, 9, 3, 4, '', false, gelu, 1e-2",
    "3, 2, 10, 20, 3, 11, 4, 3, vision_model., true, gelu_new, 1e-5",
    "2, 3, 9, 18, 2, 5, 5, 7, '', true, relu, 1e-6",
  })
  void clip(
      int layers,
      int heads,
      int width,
      int inner,
      int channels,
      int image,
      int patch,
      int classes,
      String prefix,
      boolean nested,
      String activation,
      double epsilon) {
    String more = ", 'hidden_act': '%s', 'layer_norm_eps': %s".formatted(activation, epsilon);
    RandomModel model =
        RandomModel.clip(
            11, layers, heads, width, inner, channels, image, patch, classes, prefix, nested, more);
    try (Float64Reference reference =
        Float64Reference.clip(
            model, layers, heads, channels, image, patch, prefix, activation, epsilon)) {
      assertMatches(model, reference);
    }
  }

  @ParameterizedTest
  @CsvSource({"relu", "tanh", "gelu"})
  void mlp(String activation) {
    RandomModel model =
        new RandomModel(
            5,
            ("{'model_type': 'mlp', 'input_size': 18, 'hidden_sizes': [7, 5], 'num_labels': 4,"
                    + " 'activation': '%s'}")
                .formatted(activation));
    layers(model, 18, 7, 5, 4);
    model.images(5, 2, 3, 4);
    try (Float64Reference reference =
        Float64Reference.feedForward(model, 2, 3, 0, 1, 1, 0, 3, activation)) {
      assertMatches(model, reference);
    }
  }

  @ParameterizedTest
  @CsvSource({
    // image, kernel, stride, padding, side after one, side after two
    "7, 3, 2, 1, 4, 2",
    "6, 2, 1, 0, 5, 4",
    "8, 3, 2, 0, 3, 1",
  })
  void cnn(int image, int kernel, int stride, int padding, int first, int second) {
    RandomModel model =
        new RandomModel(
            6,
            String.format(
                Locale.ROOT,
                ("{'model_type': 'cnn', 'num_channels': 2, 'image_size': %d, 'conv_channels': [3, 4],"
                    + " 'kernel_size': %d, 'stride': %d, 'padding': %d, 'hidden_sizes': [6],"
                    + " 'num_labels': 3, 'activation': 'silu'}"),
                image,
                kernel,
                stride,
                padding));
    model.tensor("conv.0.weight", 3, 2, kernel, kernel);
    model.tensor("conv.0.bias", 3);
    model.tensor("conv.1.weight", 4, 3, kernel, kernel);
    model.tensor("conv.1.bias", 4);
    layers(model, 4 * second * second, 6, 3);
    assertThat((image + 2 * padding - kernel) / stride + 1).isEqualTo(first);
    model.images(4, 2, image, 3);
    try (Float64Reference reference =
        Float64Reference.feedForward(model, 2, image, 2, kernel, stride, padding, 2, "silu")) {
      assertMatches(model, reference);
    }
  }

  private static void layers(RandomModel model, int... sizes) {
    for (int i = 0; i + 1 < sizes.length; i++) {
      model.tensor("layers." + i + ".weight", sizes[i + 1], sizes[i]);
      model.tensor("layers." + i + ".bias", sizes[i + 1]);
    }
  }

  private static void assertMatches(RandomModel model, Float64Reference reference) {
    Map<String, double[]> exact = reference.exact();
    for (Compute compute : Conformance.COMPUTES) {
      try (ModelRuntime runtime = model.load(compute)) {
        for (int batchSize : new int[] {1, 2, 3, 7}) {
          String batches = "exact, batches of " + batchSize + ", " + compute;
          assertClose(batches, estimate(model, runtime, new Estimator.Exact(), batchSize), exact);
        }
        assertClose(
            "empirical",
            estimate(model, runtime, new Estimator.Empirical(), 3),
            reference.empirical());
        assertClose(
            "fusion_bench",
            estimate(model, runtime, new Estimator.FusionBench(), 3),
            reference.fusionBench(3));
      }
    }
    try (ModelRuntime plain = model.loadPlain()) {
      assertClose("plain loop", estimate(model, plain, new Estimator.Exact(), 2), exact);
      assertClose(
          "plain loop, fusion_bench",
          estimate(model, plain, new Estimator.FusionBench(), 2),
          reference.fusionBench(2));
    }
  }

  private static Map<String, double[]> estimate(
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

  private static void assertClose(
      String what, Map<String, double[]> found, Map<String, double[]> expected) {
    assertThat(found.keySet()).isEqualTo(expected.keySet());
    expected.forEach(
        (name, values) -> {
          if (!name.endsWith("k_proj.bias")) {
            assertThat(Conformance.relativeError(found.get(name), values))
                .as("%s: %s", what, name)
                .isLessThan(TOLERANCE);
          }
        });
  }
}
