package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.gradient.model.ModelRuntime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

/** Models unlike their config, and examples unlike their model. */
class RejectionTest {

  @Test
  void aMissingTensor() {
    RandomModel model = gpt2("");
    model.checkpoint.remove("transformer.h.1.ln_2.bias");
    rejected(model, "model: tensor transformer.h.1.ln_2.bias is missing", "[8]");
  }

  @Test
  void aTensorTooMany() {
    RandomModel model = gpt2("");
    model.tensor("transformer.h.2.ln_1.bias", 8);
    rejected(model, "model: tensor transformer.h.2.ln_1.bias [8] is not part");
  }

  @Test
  void aTensorOfAnotherShape() {
    RandomModel model = gpt2("");
    model.tensor("transformer.h.0.attn.c_attn.weight", 24, 8);
    rejected(model, "model: tensor transformer.h.0.attn.c_attn.weight", "[8, 24]", "[24, 8]");
  }

  @Test
  void aScoreForAnotherNumberOfClasses() {
    RandomModel model = gpt2("");
    model.tensor("score.weight", 3, 8);
    rejected(model, "score.weight", "[2, 8]", "[3, 8]");
  }

  @Test
  void aWeightThatIsNotFinite() {
    RandomModel model = gpt2("");
    model.checkpoint.get("transformer.wpe.weight")[5] = Float.NaN;
    rejected(model, "model: tensor transformer.wpe.weight: element 5 is NaN or infinite");
  }

  @Test
  void aConfigThatContradictsItself() {
    rejected(gpt2(", 'n_head': 3"), "n_head 3 does not divide n_embd 8");
    rejected(gpt2(", 'n_head': 0"), "n_head: expected a positive integer, found 0");
    rejected(gpt2(", 'layer_norm_epsilon': 'small'"), "layer_norm_epsilon: expected a number");
    rejected(gpt2(", 'activation_function': 'mish'"), "activation_function 'mish'", "gelu_new");
    rejected(gpt2(", 'add_cross_attention': true"), "add_cross_attention");
  }

  @Test
  void aGpt2ThatIsNoClassifier() {
    String single = ", 'problem_type': 'single_label_classification'";
    RandomModel oneLabel = RandomModel.gpt2(1, 2, 2, 8, 32, 1, "right", "transformer.", single);
    rejected(oneLabel, "at least two classes", "found 1");
    rejected(gpt2(", 'problem_type': 'regression'"), "problem_type 'regression'");
    gpt2(", 'problem_type': 'single_label_classification'").load().close();
  }

  @Test
  void anUnknownArchitecture() {
    rejected(new RandomModel(1, "{'model_type': 'mamba'}"), "model_type 'mamba'", "gpt2", "clip");
    rejected(new RandomModel(1, "{}"), "model_type is missing");
    rejected(new RandomModel(1, "{'model_type': 'cnn'}"), "num_channels is missing");
  }

  @Test
  void aClipTowerWithoutItsHead() {
    RandomModel model = clip();
    model.head.clear();
    rejected(model, "needs a head", "text_embeds");
    RandomModel other = clip();
    other.headTensor("text_projection", 5, 8);
    rejected(other, "head: tensor text_projection is not part");
    RandomModel narrow = clip();
    narrow.headTensor("visual_projection.weight", 4, 8);
    rejected(narrow, "head: tensor visual_projection.weight", "[5, 8]", "[4, 8]");
    RandomModel oneClass = clip();
    oneClass.headTensor("text_embeds", 1, 5);
    rejected(oneClass, "at least two classes", "found 1", "text_embeds");
  }

  @Test
  void oldBuffersAreNoParameters() {
    RandomModel model = gpt2("");
    model.tensor("transformer.h.0.attn.bias", 1, 1, 11, 11);
    model.tensor("transformer.h.0.attn.masked_bias");
    try (ModelRuntime runtime = model.load()) {
      assertThat(runtime.parameters())
          .extracting(info -> info.name())
          .contains("transformer.h.0.attn.c_attn.bias")
          .doesNotContain("transformer.h.0.attn.bias", "transformer.h.0.attn.masked_bias");
    }
  }

  @Test
  void aHeadFileFreezesAndResizesTheScore() {
    RandomModel model = gpt2("");
    model.checkpoint.remove("score.weight");
    model.headTensor("score.weight", 5, 8);
    try (ModelRuntime runtime = model.load()) {
      assertThat(runtime.parameters())
          .extracting(info -> info.name())
          .contains("transformer.wte.weight")
          .doesNotContain("score.weight");
      assertThat(runtime.forward(model.examples.subList(0, 2)).logits()).hasSize(10);
    }
  }

  @Test
  void tokensThatDoNotSuitTheModel() {
    RandomModel model = gpt2("");
    try (ModelRuntime runtime = model.load()) {
      rejected(runtime, tokens(1, 23), null, "input_ids[1] is 23, outside the vocabulary 0 … 22");
      rejected(runtime, tokens(-1), null, "input_ids[0] is -1");
      rejected(runtime, tokens(new long[12]), null, "12 tokens", "n_positions 11");
      rejected(runtime, tokens(1, 2), tokens(0, 0), "attention_mask has no 1");
      rejected(runtime, tokens(1, 2), tokens(1), "attention_mask has 1 values for 2 input_ids");
      rejected(runtime, tokens(1, 2), tokens(1, 2), "attention_mask[1] is 2");
      rejected(
          runtime, InputTensor.ofFloats(List.of(1L), 1), null, "expected a vector of integers");
      for (String other : List.of("position_ids", "token_type_ids")) {
        Example more =
            new Example("texts", 0, 0, Map.of("input_ids", tokens(1, 2), other, tokens(0, 0)));
        assertThatThrownBy(() -> runtime.forward(List.of(more)))
            .isInstanceOf(InvalidInput.class)
            .hasMessageContaining(other + " is not implemented");
      }
      assertThat(runtime.forward(List.of(example(tokens(1, 2), null))).logits()).hasSize(2);
    }
  }

  @Test
  void pixelsThatDoNotSuitTheModel() {
    RandomModel model = clip();
    try (ModelRuntime runtime = model.load()) {
      InputTensor small = InputTensor.ofFloats(List.of(3L, 4L, 4L), new float[48]);
      Example example = new Example("images", 3, 0, Map.of("pixel_values", small));
      assertThatThrownBy(() -> runtime.forward(List.of(example)))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContainingAll("images: example 3", "[3, 8, 8]", "[3, 4, 4]");
    }
  }

  private static RandomModel gpt2(String more) {
    return RandomModel.gpt2(1, 2, 2, 8, 32, 2, "right", "transformer.", more);
  }

  private static RandomModel clip() {
    return RandomModel.clip(1, 1, 2, 8, 16, 3, 8, 4, 3, "vision_model.", false, "");
  }

  private static InputTensor tokens(long... ids) {
    return InputTensor.ofLongs(ids);
  }

  private static Example example(InputTensor ids, InputTensor mask) {
    Map<String, InputTensor> inputs = new HashMap<>(Map.of("input_ids", ids));
    if (mask != null) {
      inputs.put("attention_mask", mask);
    }
    return new Example("texts", 8, 0, inputs);
  }

  private static void rejected(
      ModelRuntime runtime, InputTensor ids, InputTensor mask, String... reasons) {
    assertThatThrownBy(() -> runtime.forward(List.of(example(ids, mask))))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith("texts: example 8: ")
        .hasMessageContainingAll(reasons);
  }

  private static void rejected(RandomModel model, String... reasons) {
    assertThatThrownBy(() -> model.load().close())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll(reasons);
  }
}
