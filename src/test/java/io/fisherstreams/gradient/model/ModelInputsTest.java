package io.fisherstreams.gradient.model;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Examples that are checked by a config, without a checkpoint. */
class ModelInputsTest {
  private static ModelConfig config(String json) {
    return ModelConfig.parse("config", json.replace('\'', '"'));
  }

  private static InputTensor pixels(long... shape) {
    List<Long> sizes = Arrays.stream(shape).boxed().toList();
    int elements = (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
    return new InputTensor(DType.F32, sizes, ByteBuffer.allocate(4 * elements));
  }

  private static void check(String config, Map<String, InputTensor> inputs) {
    ModelRuntimes.check(config(config), List.of())
        .orElseThrow()
        .accept(new Example("file", 3, 0, inputs));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'model_type': 'gpt2', 'vocab_size': 10, 'n_positions': 3}",
        "{'model_type': 'bert', 'vocab_size': 10, 'max_position_embeddings': 3}",
        "{'model_type': 'roberta', 'vocab_size': 10, 'max_position_embeddings': 5}",
        "{'model_type': 'distilbert', 'vocab_size': 10, 'max_position_embeddings': 3}",
        "{'model_type': 'llama', 'vocab_size': 10, 'max_position_embeddings': 3}",
        "{'model_type': 'qwen2', 'vocab_size': 10, 'max_position_embeddings': 3}"
      })
  void textsHaveTokensOfTheVocabulary(String config) {
    check(config, Map.of("input_ids", InputTensor.ofLongs(0, 9, 9)));
    assertThatThrownBy(() -> check(config, Map.of("input_ids", InputTensor.ofLongs(0, 10))))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("file: example 3: input_ids[1] is 10, outside the vocabulary 0 … 9");
    assertThatThrownBy(() -> check(config, Map.of("input_ids", InputTensor.ofLongs(1, 2, 3, 4))))
        .hasMessageContaining("4 tokens, but the model has");
    assertThatThrownBy(() -> check(config, Map.of("pixel_values", pixels(2))))
        .hasMessage("file: example 3: has no input_ids; it has [pixel_values]");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'model_type': 'vit', 'image_size': 4, 'patch_size': 2}",
        "{'model_type': 'clip_vision_model', 'image_size': 4, 'patch_size': 2}",
        "{'model_type': 'clip', 'vision_config': {'image_size': 4, 'patch_size': 2}}",
        "{'model_type': 'cnn', 'num_channels': 3, 'image_size': 4}"
      })
  void imagesHaveTheModelsSize(String config) {
    check(config, Map.of("pixel_values", pixels(3, 4, 4)));
    assertThatThrownBy(() -> check(config, Map.of("pixel_values", pixels(3, 4, 5))))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(
            "pixel_values: expected floating values of shape [3, 4, 4], found F32 [3, 4, 5]");
  }

  @Test
  void anMlpTakesAnyShapeOfItsSize() {
    String config = "{'model_type': 'mlp', 'input_size': 6}";
    check(config, Map.of("pixel_values", pixels(2, 3)));
    assertThatThrownBy(() -> check(config, Map.of("pixel_values", pixels(5))))
        .hasMessageContaining("expected floating values of shape [6], found F32 [5]");
  }

  @Test
  void anotherArchitectureIsNotChecked() {
    assertThat(ModelRuntimes.check(config("{'model_type': 'unknown'}"), List.of())).isEmpty();
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{'model_type': 'gpt2', 'architectures': ['GPT2LMHeadModel'], 'vocab_size': 10}",
        "{'model_type': 'llama', 'architectures': ['LlamaForCausalLM'], 'vocab_size': 10}",
        "{'model_type': 't5', 'architectures': ['T5ForConditionalGeneration'], 'vocab_size': 10}"
      })
  void aLanguageModelsLabelsAreTokensWithATarget(String config) {
    InputTensor ids = InputTensor.ofLongs(0, 9, 9);
    check(config, Map.of("input_ids", ids, "labels", InputTensor.ofLongs(-100, -100, 9)));
    assertThatThrownBy(() -> check(config, Map.of("input_ids", ids)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("example 3: has no label for each token");
    assertThatThrownBy(
            () ->
                check(
                    config,
                    Map.of("input_ids", ids, "labels", InputTensor.ofLongs(-100, -100, -100))))
        .hasMessageContaining("example 3: labels has nothing to predict");
    assertThatThrownBy(
            () -> check(config, Map.of("input_ids", ids, "labels", InputTensor.ofLongs(0, 9, 10))))
        .hasMessageContaining("labels[2] is 10, neither -100 nor in the vocabulary 0 … 9");
    assertThatThrownBy(
            () ->
                check(
                    config,
                    Map.of("input_ids", InputTensor.ofLongs(10), "labels", InputTensor.ofLongs(1))))
        .hasMessageContaining("input_ids[0] is 10");
  }

  private static Example labelled(long label) {
    return new Example("file", 3, label, Map.of("pixel_values", pixels(6)));
  }

  @Test
  void aLabelIsOneOfTheConfigsClasses() {
    Consumer<Example> check =
        ModelRuntimes.check(
                config("{'model_type': 'mlp', 'input_size': 6, 'num_labels': 3}"), List.of())
            .orElseThrow();
    check.accept(labelled(2));
    for (long label : new long[] {3, -1, 1L << 32}) {
      assertThatThrownBy(() -> check.accept(labelled(label)))
          .isInstanceOf(InvalidInput.class)
          .hasMessage("file: example 3: label " + label + " is not in 0 … 2");
    }
  }

  /** Configs leave out the default of two classes; a head has its own. */
  @Test
  void aLabelIsOneOfTheLastLayersRows() {
    Consumer<Example> check =
        ModelRuntimes.check(
                config("{'model_type': 'vit', 'image_size': 4, 'patch_size': 2, 'num_labels': 2}"),
                List.of(new TensorInfo("classifier.weight", DType.F32, List.of(5L, 768L))))
            .orElseThrow();
    Map<String, InputTensor> image = Map.of("pixel_values", pixels(3, 4, 4));
    check.accept(new Example("file", 3, 4, image));
    assertThatThrownBy(() -> check.accept(new Example("file", 3, 5, image)))
        .hasMessage("file: example 3: label 5 is not in 0 … 4");
  }

  @Test
  void aRegressionTakesAnyNumber() {
    Consumer<Example> check =
        ModelRuntimes.check(
                config("{'model_type': 'bert', 'vocab_size': 10, 'num_labels': 1}"), List.of())
            .orElseThrow();
    InputTensor tokens = InputTensor.ofLongs(1, 2);
    check.accept(new Example("file", 3, 7, Map.of("input_ids", tokens)));
    InputTensor nan = InputTensor.ofFloats(List.of(), new float[] {Float.NaN});
    assertThatThrownBy(
            () ->
                check.accept(new Example("file", 3, 0, Map.of("input_ids", tokens, "labels", nan))))
        .hasMessageContaining("labels: expected a finite number");
  }
}
