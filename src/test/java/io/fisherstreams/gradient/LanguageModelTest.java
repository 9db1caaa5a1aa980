package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.Output;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Causal language models, and T5. */
class LanguageModelTest {
  private static final double TOLERANCE = 1e-4;

  @ParameterizedTest
  @CsvSource({
    "gpt2-lm, exact, 6",
    "gpt2-lm, empirical, 1",
    "gpt2-lm, empirical, 4",
    "gpt2-lm-hub, exact, 3",
    "gpt2-lm-hub, empirical, 6",
    "llama-lm, exact, 2",
    "llama-lm, empirical, 6",
    "llama-lm-tied, exact, 6",
    "llama-lm-tied, empirical, 4",
    "llama-lm-rope3, exact, 6",
    "llama-lm-rope3, empirical, 3",
    "mistral-lm, exact, 6",
    "mistral-lm, empirical, 6",
    "mistral-lm-window, exact, 6",
    "mistral-lm-window, empirical, 2",
    "qwen2-lm, exact, 6",
    "qwen2-lm, empirical, 1",
    "t5, exact, 6",
    "t5, empirical, 4",
    "t5-gated, exact, 3",
    "t5-gated, empirical, 6",
  })
  void matchesFloat64AutomaticDifferentiation(String model, String estimator, int batchSize) {
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file(model, "expected-" + estimator + ".safetensors"));
    for (Compute compute : Conformance.COMPUTES) {
      try (ModelRuntime runtime = Conformance.load(model, compute);
          ExampleSource source = Conformance.examples(model)) {
        assertThat(runtime.output()).isEqualTo(Output.TOKENS);
        Estimator named = Estimator.named(estimator, 1, 0);
        Map<String, double[]> found = Conformance.fisher(runtime, source, named, batchSize);
        assertThat(found.keySet()).isEqualTo(expected.keySet());
        expected.forEach(
            (name, values) ->
                assertThat(Conformance.relativeError(found.get(name), values))
                    .as("%s, %s", name, compute)
                    .isLessThan(TOLERANCE));
      }
    }
  }

  @ParameterizedTest
  @ValueSource(strings = {"gpt2-lm", "mistral-lm-window", "t5"})
  void thePlainLoopDrawsTheSameTokensAndHasTheSameGradients(String model) {
    try (ModelRuntime runtime = Conformance.load(model);
        ModelRuntime plain = Conformance.loadPlain(model);
        ExampleSource source = Conformance.examples(model)) {
      for (Estimator estimator :
          List.of(new Estimator.Sampled(3, 5), new Estimator.Empirical(), new Estimator.Exact())) {
        Map<String, double[]> expected = Conformance.fisher(plain, source, estimator, 6);
        Map<String, double[]> found = Conformance.fisher(runtime, source, estimator, 6);
        expected.forEach(
            (name, values) ->
                assertThat(Conformance.relativeError(found.get(name), values))
                    .as(name)
                    .isLessThan(TOLERANCE));
      }
      assertThat(Evaluation.of(plain, source, 6, ExampleProgress.SILENT).toString())
          .isEqualTo(Evaluation.of(runtime, source, 6, ExampleProgress.SILENT).toString());
    }
  }

  /**
   * The standard error of a mean of n draws falls with √n. Over all entries of a tensor the root
   * mean square of the differences is compared with the root mean square of the entries.
   */
  @ParameterizedTest
  @ValueSource(strings = {"llama-lm", "qwen2-lm"})
  void drawnTokensConvergeToTheExactFisher(String model) {
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file(model, "expected-exact.safetensors"));
    try (ModelRuntime runtime = Conformance.load(model);
        ExampleSource source = Conformance.examples(model)) {
      Map<String, double[]> few =
          Conformance.fisher(runtime, source, new Estimator.Sampled(4, 3), 6);
      Map<String, double[]> many =
          Conformance.fisher(runtime, source, new Estimator.Sampled(128, 3), 6);
      double fewError = Conformance.distance(few, expected);
      double manyError = Conformance.distance(many, expected);
      // 32 times the draws make the error less than a fifth, up to chance.
      assertThat(manyError).isLessThan(0.2).isLessThan(fewError / 3);
    }
  }

  @Test
  void drawsDependOnTheExampleAndNotOnItsBatchOrPadding() {
    try (ModelRuntime runtime = Conformance.load("llama-lm");
        ExampleSource source = Conformance.examples("llama-lm")) {
      Estimator sampled = new Estimator.Sampled(2, 11);
      Map<String, double[]> together = Conformance.fisher(runtime, source, sampled, 6);
      List<Example> padded =
          source.read(0, 6).stream().map(example -> padded(example, 2, 1)).toList();
      Map<String, double[]> alone = Conformance.fisher(runtime, new ListSource(padded), sampled, 1);
      // Rotary positions are relative, so padding on the left changes nothing.
      together.forEach(
          (name, values) ->
              assertThat(Conformance.relativeError(alone.get(name), values))
                  .as(name)
                  .isLessThan(TOLERANCE));
    }
  }

  /**
   * Rotary positions are relative: however far the texts are to the right, the Fisher is theirs.
   */
  @ParameterizedTest
  @ValueSource(strings = {"llama-lm", "mistral-lm", "qwen2-lm"})
  void paddingOnTheLeftIsNoPartOfTheText(String model) {
    Map<String, double[]> expected =
        Conformance.tensors(Conformance.file(model, "expected-exact.safetensors"));
    try (ModelRuntime runtime = Conformance.load(model);
        ExampleSource source = Conformance.examples(model)) {
      List<Example> padded =
          source.read(0, 6).stream().map(e -> padded(e, (int) e.index() % 4, 1)).toList();
      Map<String, double[]> found =
          Conformance.fisher(runtime, new ListSource(padded), new Estimator.Exact(), 4);
      expected.forEach(
          (name, values) ->
              assertThat(Conformance.relativeError(found.get(name), values))
                  .as(name)
                  .isLessThan(TOLERANCE));
    }
  }

  /** Learned positions count the padding; the other implementation of the model counts it too. */
  @Test
  void learnedPositionsBeginWithThePadding() {
    try (ModelRuntime runtime = Conformance.load("gpt2-lm");
        ModelRuntime plain = Conformance.loadPlain("gpt2-lm");
        ExampleSource source = Conformance.examples("gpt2-lm")) {
      List<Example> padded =
          source.read(0, 6).stream().map(e -> padded(e, (int) e.index() % 3, 0)).toList();
      Estimator exact = new Estimator.Exact();
      Map<String, double[]> expected = Conformance.fisher(plain, new ListSource(padded), exact, 1);
      Map<String, double[]> found = Conformance.fisher(runtime, new ListSource(padded), exact, 6);
      expected.forEach(
          (name, values) ->
              assertThat(Conformance.relativeError(found.get(name), values))
                  .as(name)
                  .isLessThan(TOLERANCE));
    }
  }

  /** log p(b, c | a) = log p(b | a) + log p(c | a, b). */
  @ParameterizedTest
  @ValueSource(strings = {"gpt2-lm", "llama-lm", "mistral-lm-window", "qwen2-lm"})
  void theTargetsOfATextAreThoseOfItsBeginnings(String model) {
    try (ModelRuntime runtime = Conformance.load(model)) {
      double both = logLikelihood(runtime, example(tokens(5, 6, 7), null, tokens(5, 6, 7)));
      double first = logLikelihood(runtime, example(tokens(5, 6), null, tokens(5, 6)));
      double second = logLikelihood(runtime, example(tokens(5, 6, 7), null, tokens(-100, -100, 7)));
      assertThat(first).isNegative();
      assertThat(second).isNegative();
      assertThat(both).isCloseTo(first + second, within(1e-4));
    }
  }

  private static double logLikelihood(ModelRuntime runtime, Example example) {
    return Evaluation.of(runtime, new ListSource(List.of(example)), 1, ExampleProgress.SILENT)
        .logLikelihood();
  }

  @Test
  void evaluationHasThePerplexityOfTheTargets() {
    try (ModelRuntime runtime = Conformance.load("gpt2-lm");
        ExampleSource source = Conformance.examples("gpt2-lm")) {
      Evaluation evaluation = Evaluation.of(runtime, source, 4, ExampleProgress.SILENT);
      long targets = 0;
      for (Example example : source.read(0, 6)) {
        long[] labels = example.input("labels").toLongs();
        targets += Arrays.stream(labels).skip(1).filter(label -> label != -100).count();
      }
      assertThat(evaluation.tokens()).hasValue(targets);
      assertThat(evaluation.perplexity().orElseThrow())
          .isCloseTo(Math.exp(-evaluation.meanLogLikelihood()), within(1e-12));
      Evaluation alone = Evaluation.of(runtime, source, 1, ExampleProgress.SILENT);
      assertThat(alone.meanLogLikelihood()).isCloseTo(evaluation.meanLogLikelihood(), within(1e-5));
    }
  }

  /** The file pads its examples to one length; a classifier's progress has no tokens. */
  @Test
  void progressIsInTokensToo(@TempDir Path folder) {
    long all;
    long ofFour;
    try (Checkpoint file = Checkpoint.open(Conformance.file("gpt2-lm", "examples.safetensors"))) {
      int elements = Math.toIntExact(file.tensors().get("attention_mask").elements());
      ByteBuffer bytes = file.slice("attention_mask", 0, elements).order(ByteOrder.LITTLE_ENDIAN);
      long[] mask = new long[elements];
      bytes.asLongBuffer().get(mask);
      all = Arrays.stream(mask).sum();
      ofFour = Arrays.stream(mask, 0, elements / 6 * 4).sum();
      assertThat(all).isLessThan(elements);
    }
    List<List<Long>> calls = new ArrayList<>();
    ExampleProgress progress = (done, total, tokens) -> calls.add(List.of(done, total, tokens));
    try (ModelRuntime runtime = Conformance.load("gpt2-lm");
        ExampleSource source = Conformance.examples("gpt2-lm")) {
      Evaluation.of(runtime, source, 4, progress);
      Evaluation.items(runtime, source, 4, progress);
    }
    fisher("gpt2-lm", new FisherSettings(new Estimator.Empirical(), 6, 4), folder, progress);
    List<List<Long>> once = List.of(List.of(4L, 6L, ofFour), List.of(6L, 6L, all));
    assertThat(calls).isEqualTo(Stream.of(once, once, once).flatMap(List::stream).toList());
    calls.clear();
    fisher("gpt2", new FisherSettings(new Estimator.Empirical(), 7, 7), folder, progress);
    assertThat(calls).containsExactly(List.of(7L, 7L, 0L));
  }

  private static void fisher(
      String model, FisherSettings settings, Path folder, ExampleProgress progress) {
    ModelFiles files =
        ModelFiles.of(
            Conformance.file(model, "model.safetensors"), Optional.empty(), Optional.empty());
    Path examples = Conformance.file(model, "examples.safetensors");
    new FisherJob(files, examples, settings, Compute.cpu())
        .run(folder.resolve(model + ".safetensors"), progress);
  }

  @Test
  void examplesWithoutATargetAreRejected() {
    try (ModelRuntime runtime = Conformance.load("llama-lm")) {
      rejected(runtime, tokens(5), null, tokens(5), "one token has nothing to predict");
      rejected(
          runtime,
          tokens(5, 6),
          null,
          tokens(5, -100),
          "nothing to predict: behind the first token, all are -100");
      rejected(runtime, tokens(5, 6), null, null, "no label for each token");
      rejected(runtime, tokens(5, 6), null, tokens(5), "labels has 1 values for 2 input_ids");
      rejected(runtime, tokens(5, 6), null, tokens(5, 40), "labels[1] is 40", "0 … 39");
      rejected(
          runtime, tokens(5, 6, 7), tokens(1, 0, 1), tokens(5, 6, 7), "attention_mask[1] is 0");
      rejected(
          runtime,
          tokens(new long[65]),
          null,
          tokens(new long[65]),
          "65 tokens",
          "64",
          "--max-length");
      assertThatThrownBy(
              () ->
                  Conformance.fisher(
                      runtime,
                      new ListSource(List.of(example(tokens(5, 6), null, tokens(5, 6)))),
                      new Estimator.Exact(39),
                      1))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContainingAll("40 tokens, more than 39", "--exact-vocabulary");
      assertThatThrownBy(
              () ->
                  Conformance.fisher(
                      runtime,
                      new ListSource(List.of(example(tokens(5, 6), null, tokens(5, 6)))),
                      new Estimator.FusionBench(),
                      1))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("defined for classes");
    }
  }

  @Test
  void t5NeedsATargetAndShiftsLabelsBehindItsStartToken() {
    try (ModelRuntime runtime = Conformance.load("t5")) {
      rejected(runtime, tokens(5, 6), null, tokens(-100, -100), "nothing to predict");
      runtime.requireInputs(example(tokens(5, 6), null, tokens(7)));
      // What comes behind the last target has no effect.
      ListSource shorter = new ListSource(List.of(example(tokens(5, 6), null, tokens(7, -100, 9))));
      ListSource longer =
          new ListSource(List.of(example(tokens(5, 6), null, tokens(7, -100, 9, -100, -100))));
      assertThat(Evaluation.of(runtime, shorter, 1, ExampleProgress.SILENT).toString())
          .isEqualTo(Evaluation.of(runtime, longer, 1, ExampleProgress.SILENT).toString());
    }
  }

  @Test
  void aHeadThatIsACopyIsNoParameterAndOneThatDiffersIsRejected() {
    RandomModel model = tiedLlama();
    model.tensor("lm_head.weight", 9, 4);
    model.checkpoint.put(
        "lm_head.weight", model.checkpoint.get("model.embed_tokens.weight").clone());
    try (ModelRuntime runtime = model.load()) {
      assertThat(runtime.parameters())
          .extracting(info -> info.name())
          .contains("model.embed_tokens.weight")
          .doesNotContain("lm_head.weight");
    }
    model.checkpoint.get("lm_head.weight")[3] += 1;
    assertThatThrownBy(() -> model.load().close())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll("lm_head.weight", "embed_tokens.weight differ");
  }

  @Test
  void whatALlamasConfigAsksForAndIsNotDoneIsRejectedByName() {
    String[] wrong = {
      ", 'rope_scaling': {'rope_type': 'yarn', 'factor': 2.0}", "rope_type 'yarn'",
      ", 'rope_scaling': {'type': 'linear', 'factor': 2.0}", "rope_type 'linear'",
      ", 'partial_rotary_factor': 0.5", "partial_rotary_factor",
      ", 'quantization_config': {'bits': 4}", "quantization_config",
      ", 'num_key_value_heads': 3", "num_key_value_heads 3",
      ", 'layer_types': ['chunked_attention']", "chunked_attention",
    };
    for (int i = 0; i < wrong.length; i += 2) {
      RandomModel model = llama(wrong[i]);
      String reason = wrong[i + 1];
      assertThatThrownBy(() -> model.load().close())
          .as(wrong[i])
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining(reason);
    }
    RandomModel other =
        new RandomModel(
            1, "{'model_type': 'llama', 'architectures': ['LlamaForTokenClassification']}");
    assertThatThrownBy(() -> other.load().close())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("LlamaForTokenClassification is not implemented");
  }

  @Test
  void aPrefixOfATrainingModuleIsMatchedAndTold() {
    RandomModel model = llama(", 'tie_word_embeddings': true");
    RandomModel wrapped = llama(", 'tie_word_embeddings': true");
    wrapped.checkpoint.clear();
    model.checkpoint.forEach(
        (name, values) ->
            wrapped.tensor(
                "network." + name,
                model.infos.get(name).shape().stream().mapToLong(Long::longValue).toArray()));
    try (ModelRuntime plain = model.load();
        ModelRuntime runtime = wrapped.load()) {
      assertThat(plain.note()).isEmpty();
      assertThat(runtime.note()).hasValueSatisfying(n -> assertThat(n).contains("'network.'"));
      assertThat(runtime.parameters().get(0).name()).isEqualTo("network.model.embed_tokens.weight");
    }
  }

  private static RandomModel tiedLlama() {
    return llama(", 'tie_word_embeddings': true");
  }

  private static RandomModel llama(String more) {
    RandomModel model =
        new RandomModel(
            1,
            "{'model_type': 'llama', 'architectures': ['LlamaForCausalLM'], 'hidden_size': 4,"
                + " 'num_attention_heads': 2, 'num_hidden_layers': 1, 'intermediate_size': 6,"
                + " 'vocab_size': 9, 'max_position_embeddings': 8"
                + more
                + "}");
    String block = "model.layers.0.";
    model.tensor("model.embed_tokens.weight", 9, 4);
    for (String projection : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
      model.tensor(block + "self_attn." + projection + ".weight", 4, 4);
    }
    model.tensor(block + "mlp.gate_proj.weight", 6, 4);
    model.tensor(block + "mlp.up_proj.weight", 6, 4);
    model.tensor(block + "mlp.down_proj.weight", 4, 6);
    model.tensor(block + "input_layernorm.weight", 4);
    model.tensor(block + "post_attention_layernorm.weight", 4);
    model.tensor("model.norm.weight", 4);
    return model;
  }

  private static void rejected(
      ModelRuntime runtime,
      InputTensor ids,
      InputTensor mask,
      InputTensor labels,
      String... reasons) {
    assertThatThrownBy(() -> runtime.requireInputs(example(ids, mask, labels)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith("texts: example 8: ")
        .hasMessageContainingAll(reasons);
  }

  private static Example example(InputTensor ids, InputTensor mask, InputTensor labels) {
    Map<String, InputTensor> inputs = new HashMap<>(Map.of("input_ids", ids));
    if (mask != null) {
      inputs.put("attention_mask", mask);
    }
    if (labels != null) {
      inputs.put("labels", labels);
    }
    return new Example("texts", 8, 0, inputs);
  }

  private static InputTensor tokens(long... ids) {
    return InputTensor.ofLongs(ids);
  }

  private static Example padded(Example example, int left, int right) {
    Map<String, InputTensor> inputs = new HashMap<>();
    inputs.put("input_ids", padded(example.input("input_ids"), left, right, 2));
    inputs.put("attention_mask", padded(example.input("attention_mask"), left, right, 0));
    inputs.put("labels", padded(example.input("labels"), left, right, -100));
    return new Example(example.origin(), example.index(), 0, inputs);
  }

  private static InputTensor padded(InputTensor values, int left, int right, long with) {
    List<Long> all = new ArrayList<>();
    for (int i = 0; i < left; i++) {
      all.add(with);
    }
    Arrays.stream(values.toLongs()).forEach(all::add);
    for (int i = 0; i < right; i++) {
      all.add(with);
    }
    return tokens(all.stream().mapToLong(Long::longValue).toArray());
  }
}
