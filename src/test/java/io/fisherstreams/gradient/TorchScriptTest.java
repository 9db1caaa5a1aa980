package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.SafetensorsExamples;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Modules made by src/test/resources/torchscript/make.py, with Fishers from PyTorch in float64. */
class TorchScriptTest {
  private static final Path FOLDER = Path.of("src/test/resources/torchscript");

  @ParameterizedTest
  @CsvSource({
    "net.pt, exact, 1",
    "net.pt, exact, 2",
    "net.pt, exact, 5",
    "net.pt, empirical, 3",
    "scripted.pt, exact, 2",
    "scripted.pt, empirical, 5",
  })
  void matchesPyTorch(String module, String estimator, int batchSize) {
    Map<String, double[]> expected =
        Conformance.tensors(FOLDER.resolve("expected-" + estimator + ".safetensors"));
    Estimator chosen =
        estimator.equals("exact") ? new Estimator.Exact() : new Estimator.Empirical();
    try (ModelRuntime runtime = load(module, "model.safetensors");
        ExampleSource source = SafetensorsExamples.open(FOLDER.resolve("examples.safetensors"))) {
      Map<String, double[]> found = Conformance.fisher(runtime, source, chosen, batchSize);
      assertThat(found.keySet()).isEqualTo(expected.keySet());
      expected.forEach(
          (name, values) ->
              assertThat(Conformance.relativeError(found.get(name), values))
                  .as(name)
                  .isLessThan(1e-4));
    }
  }

  @Test
  void rejectsACheckpointWithOtherParameters() {
    assertThatThrownBy(() -> load("net.pt", "examples.safetensors"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("examples.safetensors")
        .hasMessageContaining("block.conv.weight")
        .hasMessageContaining("missing");
  }

  @Test
  void rejectsAFileThatIsNoModule() {
    assertThatThrownBy(() -> load("model.safetensors", "model.safetensors"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("model.safetensors");
    assertThatThrownBy(() -> load("absent.pt", "model.safetensors"))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("absent.pt");
  }

  @Test
  void namesTheInputThatExamplesLack() {
    Example example = new Example("examples.jsonl", 4, 0, Map.of());
    try (ModelRuntime runtime = load("net.pt", "model.safetensors")) {
      assertThatThrownBy(() -> runtime.forward(List.of(example)))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("examples.jsonl: example 4")
          .hasMessageContaining("image");
    }
  }

  private static ModelRuntime load(String module, String checkpoint) {
    try (Checkpoint file = Checkpoint.open(FOLDER.resolve(checkpoint))) {
      return ModelRuntimes.loadTorchScript(
          FOLDER.resolve(module), TensorSource.of(file), Compute.cpu());
    }
  }
}
