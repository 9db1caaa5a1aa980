package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.Device;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.regex.MatchResult;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;

/**
 * Matrix products in bfloat16: the errors that docs/gpu.md states, by the GPU's code on the CPU.
 */
class HalfPrecisionTest {
  private static final Path PAGE = Path.of("docs/gpu.md");
  private static final Pattern ROW =
      Pattern.compile(
          "^\\| `([a-z0-9-]+)` \\| ([0-9.]+) % \\| ([0-9.]+) % \\|$", Pattern.MULTILINE);

  /**
   * A row of the page.
   *
   * @param percent the error
   */
  record Stated(String model, String estimator, double percent) {}

  static List<Stated> rows() throws IOException {
    return ROW.matcher(Files.readString(PAGE))
        .results()
        .flatMap(HalfPrecisionTest::stated)
        .toList();
  }

  private static Stream<Stated> stated(MatchResult row) {
    return Stream.of(
        new Stated(row.group(1), "exact", Double.parseDouble(row.group(2))),
        new Stated(row.group(1), "empirical", Double.parseDouble(row.group(3))));
  }

  @Test
  void thePageHasRowsOfEveryKindOfModel() throws IOException {
    assertThat(rows().stream().map(Stated::model))
        .contains("bert", "vit", "gpt2", "llama-cls", "llama-lm", "t5");
  }

  /** Processors round sums of bfloat16 products in different ways, so a factor of 2 is left. */
  @ParameterizedTest
  @MethodSource("rows")
  void theErrorIsThatOfThePage(Stated stated) {
    double percent = 100 * error(stated, Precision.BFLOAT16);
    assertThat(percent).isBetween(stated.percent / 2, stated.percent * 2);
    assertThat(100 * error(stated, Precision.FLOAT32)).isLessThan(0.01);
  }

  /** The root mean square of all differences from the float64 Fisher, relative to its entries'. */
  private static double error(Stated stated, Precision precision) {
    Map<String, double[]> expected =
        Conformance.tensors(
            Conformance.file(stated.model, "expected-" + stated.estimator + ".safetensors"));
    Compute compute = Compute.on(Device.cpu(), precision);
    try (ModelRuntime runtime = Conformance.load(stated.model, compute);
        ExampleSource source = Conformance.examples(stated.model)) {
      return Conformance.distance(
          Conformance.fisher(runtime, source, Estimator.named(stated.estimator, 1, 0), 8),
          expected);
    }
  }
}
