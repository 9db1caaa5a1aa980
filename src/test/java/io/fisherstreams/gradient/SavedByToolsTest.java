package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/**
 * Checkpoints whose names have what training tools add. Their Fisher is known from elsewhere, under
 * the architecture's names.
 */
class SavedByToolsTest {
  private static final TensorInfo COUNTER = new TensorInfo("n_averaged", DType.I64, List.of());

  @TempDir private Path directory;

  private Path save(String model, UnaryOperator<String> rename, List<TensorInfo> more)
      throws IOException {
    Files.copy(Conformance.file(model, "config.json"), directory.resolve("config.json"));
    Path saved = directory.resolve("model.safetensors");
    try (Checkpoint original = Checkpoint.open(Conformance.file(model, "model.safetensors"))) {
      List<TensorInfo> tensors = new ArrayList<>(more);
      for (TensorInfo tensor : original.tensors().values()) {
        tensors.add(new TensorInfo(rename.apply(tensor.name()), tensor.dtype(), tensor.shape()));
      }
      try (CheckpointWriter writer = CheckpointWriter.file(saved, tensors, Map.of())) {
        for (TensorInfo tensor : original.tensors().values()) {
          writer.write(
              rename.apply(tensor.name()),
              0,
              original.slice(tensor.name(), 0, (int) tensor.elements()));
        }
        for (TensorInfo tensor : more) {
          writer.write(tensor.name(), 0, ByteBuffer.allocate((int) tensor.bytes()));
        }
        writer.commit();
      }
    }
    return directory;
  }

  private static ModelFiles files(Path folder, String model) {
    Path head = Conformance.file(model, "head.safetensors");
    return ModelFiles.of(folder, Optional.of(head).filter(Files::exists), Optional.empty());
  }

  private void assertHasTheKnownFisher(
      String model, UnaryOperator<String> name, ModelFiles files, int examples) {
    Path output = directory.resolve("fisher.safetensors");
    FisherSettings settings = new FisherSettings(new Estimator.Exact(), examples, 4);
    new FisherJob(files, Conformance.file(model, "examples.safetensors"), settings, Compute.cpu())
        .run(output, ExampleProgress.SILENT);
    Map<String, double[]> found = Conformance.tensors(output);
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file(model, "expected-exact.safetensors"));
    assertThat(found.keySet())
        .isEqualTo(expected.keySet().stream().map(name).collect(Collectors.toSet()));
    // It is 0 but for rounding: a constant added to all keys changes no softmax.
    expected.keySet().removeIf(original -> original.endsWith("k_proj.bias"));
    expected.forEach(
        (original, values) ->
            assertThat(Conformance.relativeError(found.get(name.apply(original)), values))
                .as(original)
                .isLessThan(1e-4));
  }

  @ParameterizedTest
  @CsvSource({
    "gpt2, _orig_mod.", // torch.compile
    "gpt2, module.", // DataParallel
    "gpt2, _orig_mod.module.",
    "clip-vit, module._orig_mod.",
  })
  void wrappersOfPyTorchAreRemoved(String model, String wrapper) throws IOException {
    ModelFiles files = files(save(model, name -> wrapper + name, List.of()), model);
    assertHasTheKnownFisher(model, name -> name, files, 7);
    assertThat(files.renaming())
        .get()
        .asString()
        .contains("without PyTorch's wrappers ('" + wrapper);
  }

  @Test
  void wrappersOfPartsAndTheCounterOfAnAverageAreRemoved() throws IOException {
    UnaryOperator<String> partly =
        name -> "module." + name.replace("h.0.", "h.0._checkpoint_wrapped_module.");
    ModelFiles files = files(save("gpt2", partly, List.of(COUNTER)), "gpt2");
    assertHasTheKnownFisher("gpt2", name -> name, files, 7);
  }

  /** The Fisher's names are the checkpoint's, so that a merge matches both in one way. */
  @ParameterizedTest
  @CsvSource({"gpt2, model.", "gpt2, policy.net.", "clip-vit, model."})
  void theArchitectureIsFoundBelowAPrefix(String model, String prefix) throws IOException {
    ModelFiles files = files(save(model, name -> prefix + name, List.of()), model);
    assertHasTheKnownFisher(model, name -> prefix + name, files, 7);
    assertThat(files.renaming()).isEmpty();
  }

  @Test
  void aWrappedBodyBesideItsHeadIsFound() throws IOException {
    UnaryOperator<String> body = name -> name.replace("transformer.", "transformer.module.");
    assertHasTheKnownFisher("gpt2", body, files(save("gpt2", body, List.of()), "gpt2"), 7);
  }

  @Test
  void otherNamesAreExplainedByWhatIsThere() throws IOException {
    Path folder = save("gpt2", name -> name.replace("ln_f.bias", "norm.bias"), List.of());
    assertThatThrownBy(() -> files(folder, "gpt2").load(Compute.cpu()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("tensor transformer.ln_f.bias is missing")
        .hasMessageContaining("has a tensor of this shape called transformer.norm.bias");
  }

  @Test
  void quantisedWeightsAndAdaptersAreRejectedByName() throws IOException {
    TensorInfo scales = new TensorInfo("transformer.h.0.attn.SCB", DType.F32, List.of(2L));
    Path folder = save("gpt2", name -> name, List.of(scales));
    assertThatThrownBy(() -> files(folder, "gpt2").load(Compute.cpu()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("tensor 'transformer.h.0.attn.SCB' is F32 [2]; quantised weights");
    TensorInfo adapter = new TensorInfo("wte.lora_A.weight", DType.F32, List.of(2L));
    Files.delete(folder.resolve("config.json"));
    Path other = save("gpt2", name -> name, List.of(adapter));
    assertThatThrownBy(() -> files(other, "gpt2").load(Compute.cpu()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("it has tensor 'wte.lora_A.weight'");
  }
}
