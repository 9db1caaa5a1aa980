package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Adapters that PEFT wrote, against W + s B A in float64 of another implementation. */
class AdapterConformanceTest {
  private static final Path CASES = Path.of("src/test/resources/conformance/lora");

  private static Checkpoint expanded(String name) {
    Path folder = CASES.resolve(name);
    return Checkpoint.open(folder.resolve("adapter"), Optional.of(folder.resolve("base")));
  }

  private static double[] values(Checkpoint file, String name) {
    TensorInfo tensor = file.tensors().get(name);
    int elements = (int) tensor.elements();
    double[] values = new double[elements];
    FloatCodec.toDouble(tensor.dtype(), file.slice(name, 0, elements), 0, values, 0, elements);
    return values;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "bert-lora",
        "bert-lora-b-bias",
        "bert-lora-bias-all",
        "bert-lora-bias-only",
        "gpt2-lm-lora",
        "llama-cls-rslora",
        "llama-lm-bf16",
        "llama-lm-embedding",
        "llama-lm-patterns"
      })
  void everyTensorIsTheMergedOneRoundedOnce(String name) {
    boolean isBfloat16 = name.endsWith("bf16");
    Path reference =
        CASES
            .resolve(name)
            .resolve(isBfloat16 ? "expected-bf16.safetensors" : "expected-f32.safetensors");
    try (Checkpoint model = expanded(name);
        Checkpoint base = Checkpoint.open(CASES.resolve(name).resolve("base"));
        Checkpoint expected = Checkpoint.open(reference)) {
      assertThat(model.tensors().keySet()).isEqualTo(expected.tensors().keySet());
      Set<String> changed = new TreeSet<>();
      for (String tensor : model.tensors().keySet()) {
        assertThat(model.tensors().get(tensor)).isEqualTo(base.tensors().get(tensor));
        assertThat(model.tensors().get(tensor).dtype())
            .isEqualTo(isBfloat16 ? DType.BF16 : DType.F32);
        assertThat(values(model, tensor)).as(tensor).isEqualTo(values(expected, tensor));
        if (!base.hasSameBytes(tensor, expected, tensor)) {
          changed.add(tensor);
        }
      }
      Set<String> own = new TreeSet<>(model.tensors().keySet());
      own.removeAll(model.unchanged());
      assertThat(own).isEqualTo(changed);
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2-lm-lora", "llama-lm-embedding", "bert-lora-b-bias"})
  void anElementDoesNotDependOnItsSlice(String name) {
    try (Checkpoint model = expanded(name)) {
      for (TensorInfo tensor : model.tensors().values()) {
        double[] whole = values(model, tensor.name());
        for (int first = 0; first < whole.length; first += 7) {
          int count = Math.min(7, whole.length - first);
          double[] part = new double[count];
          FloatCodec.toDouble(
              tensor.dtype(), model.slice(tensor.name(), first, count), 0, part, 0, count);
          assertThat(part)
              .containsExactly(java.util.Arrays.copyOfRange(whole, first, first + count));
        }
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"bert-dora", "gpt2-lm-dora"})
  void doraIsRejectedByItsKey(String name) {
    Path config = CASES.resolve(name).resolve("adapter/adapter_config.json");
    assertThat(Files.exists(config)).isTrue();
    assertThatThrownBy(() -> expanded(name))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(config + ": use_dora is true, which is not implemented (DoRA)");
  }
}
