package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Predicate;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Tied, quantised and foreign weights, and what a message says of what is missing. */
class ModelFolderTest {
  @TempDir private Path directory;

  private record Matrix(String name, DType dtype, List<Long> shape, byte[] data) {
    static Matrix floats(String name, float... values) {
      ByteBuffer data = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
      data.asFloatBuffer().put(values);
      return new Matrix(name, DType.F32, List.of(values.length / 2L, 2L), data.array());
    }
  }

  private Path folder(String config, Matrix... matrices) throws IOException {
    Path folder = Files.createTempDirectory(directory, "model");
    Files.delete(folder);
    List<TensorInfo> tensors = new ArrayList<>();
    for (Matrix m : matrices) {
      tensors.add(new TensorInfo(m.name, m.dtype, m.shape));
    }
    try (CheckpointWriter writer =
        CheckpointWriter.folder(folder, tensors, Map.of(), Long.MAX_VALUE)) {
      for (Matrix m : matrices) {
        writer.write(m.name, 0, ByteBuffer.wrap(m.data));
      }
      writer.addFile("config.json", config.getBytes(StandardCharsets.UTF_8));
      writer.commit();
    }
    return folder;
  }

  private Map<String, String> ties(String config, Matrix... matrices) throws IOException {
    try (Checkpoint base = Checkpoint.open(folder(config, matrices))) {
      return TiedWeights.of(base).sources();
    }
  }

  @Test
  void matricesOfEqualBytesAreTiedToTheEmbedding() throws IOException {
    Matrix head = Matrix.floats("lm_head.weight", 1, 2, 3, 4);
    Matrix embedding = Matrix.floats("transformer.wte.weight", 1, 2, 3, 4);
    assertThat(ties("{}", head, embedding))
        .containsExactlyEntriesOf(Map.of("lm_head.weight", "transformer.wte.weight"));
    assertThat(ties("\ufeff{\"tie_word_embeddings\": true}", head, embedding)).hasSize(1);
    assertThat(ties("{\"tie_word_embeddings\": false}", head, embedding)).isEmpty();
    assertThat(ties("{}", head, Matrix.floats("transformer.wte.weight", 1, 2, 3, 5))).isEmpty();
  }

  /** The defaults are those of Hugging Face's classes. */
  @ParameterizedTest
  @CsvSource({
    "gpt2, , true",
    "llama, , false",
    "llama, true, true",
    "llama, false, false",
    "gpt2, false, false",
    "gemma, , true",
    "gptj, , false",
  })
  void theConfigOrItsArchitectureSaysWhetherAHeadIsTied(String type, String flag, boolean tied)
      throws IOException {
    String key = flag == null ? "" : ", \"tie_word_embeddings\": " + flag;
    Map<String, String> found =
        ties(
            "{\"model_type\": \"" + type + "\"" + key + "}",
            Matrix.floats("lm_head.weight", 1, 2, 3, 4),
            Matrix.floats("model.embed_tokens.weight", 1, 2, 3, 4));
    assertThat(found.containsKey("lm_head.weight")).isEqualTo(tied);
  }

  @ParameterizedTest
  @CsvSource({
    "a.weight, b.weight",
    "encoder.dense.weight, decoder.dense.weight",
    "h.0.ln_1.weight, h.1.ln_1.weight",
    "h.0.ln_1.bias, h.1.ln_1.bias",
    "query.embed_tokens.weight, document.embed_tokens.weight",
    "encoder.embed_tokens.weight, decoder.embed_tokens.weight",
    "classifier.weight, wte.weight",
  })
  void differentParametersOfEqualValuesAreNotTied(String one, String other) throws IOException {
    for (String config : List.of("{}", "{\"tie_word_embeddings\": true}")) {
      assertThat(ties(config, Matrix.floats(one, 1, 2, 3, 4), Matrix.floats(other, 1, 2, 3, 4)))
          .isEmpty();
      assertThat(ties(config, Matrix.floats(one, 0, 0), Matrix.floats(other, 0, 0))).isEmpty();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "cls.predictions.decoder.weight, bert.embeddings.word_embeddings.weight",
    "lm_head.decoder.weight, roberta.embeddings.word_embeddings.weight",
    "embed_out.weight, gpt_neox.embed_in.weight",
    "lm_head.weight, shared.weight",
    "model.encoder.embed_tokens.weight, model.shared.weight",
    "proj_out.weight, model.decoder.embed_tokens.weight",
    "lm_loss.weight, transformer.word_embedding.weight",
    "vocab_projector.weight, distilbert.embeddings.word_embeddings.weight",
  })
  void headsOfOtherArchitecturesAreTied(String head, String embedding) throws IOException {
    assertThat(ties("{}", Matrix.floats(head, 1, 2), Matrix.floats(embedding, 1, 2)))
        .containsExactlyEntriesOf(Map.of(head, embedding));
  }

  @Test
  void ofSeveralEmbeddingsTheNearestIsTheHeads() throws IOException {
    Matrix left = Matrix.floats("left.embed_tokens.weight", 1, 2);
    Matrix right = Matrix.floats("right.embed_tokens.weight", 1, 2);
    Matrix leftHead = Matrix.floats("left.lm_head.weight", 1, 2);
    Matrix rightHead = Matrix.floats("right.lm_head.weight", 1, 2);
    assertThat(ties("{}", left, right, leftHead, rightHead))
        .containsExactlyInAnyOrderEntriesOf(
            Map.of(
                "left.lm_head.weight", "left.embed_tokens.weight",
                "right.lm_head.weight", "right.embed_tokens.weight"));
    assertThat(ties("{}", left, right, Matrix.floats("lm_head.weight", 1, 2)))
        .as("nobody knows of which tower")
        .isEmpty();
    assertThat(
            ties(
                "{}",
                Matrix.floats("decoder.embed_tokens.weight", 1, 2),
                Matrix.floats("encoder.embed_tokens.weight", 1, 2),
                Matrix.floats("lm_head.weight", 1, 2),
                Matrix.floats("shared.weight", 1, 2)))
        .as("a T5 has one parameter")
        .containsOnlyKeys(
            "decoder.embed_tokens.weight", "encoder.embed_tokens.weight", "lm_head.weight")
        .containsEntry("lm_head.weight", "shared.weight");
  }

  @Test
  void theTwoNamesOfAHeadsBiasAreAlwaysTied() throws IOException {
    byte[] zeros = new byte[8];
    assertThat(
            ties(
                "{\"tie_word_embeddings\": false}",
                new Matrix("cls.predictions.bias", DType.F32, List.of(2L), zeros),
                new Matrix("cls.predictions.decoder.bias", DType.F32, List.of(2L), zeros),
                new Matrix("cls.predictions.transform.bias", DType.F32, List.of(2L), zeros)))
        .containsExactlyEntriesOf(Map.of("cls.predictions.decoder.bias", "cls.predictions.bias"));
  }

  /** No setting unties the two names of a bias, so none is advised. */
  @Test
  void anExcludedSecondNameOfABiasFollowsTheFirst() throws IOException {
    Matrix bias = Matrix.floats("cls.predictions.bias", 1, 2);
    Matrix second = Matrix.floats("cls.predictions.decoder.bias", 1, 2);
    try (Checkpoint base = Checkpoint.open(folder("{}", bias, second))) {
      assertThat(TiedWeights.of(base).exclusions(second.name::equals))
          .containsExactly(
              "'cls.predictions.decoder.bias' is excluded, but tied to 'cls.predictions.bias',"
                  + " which is merged: it follows the merged value. To keep the base's value in"
                  + " both, exclude 'cls.predictions.bias'");
    }
  }

  /** The file has the head under the embedding's name only, as those of tied models do. */
  @Test
  void anExcludedHeadThatOnlyTheConfigTiesFollowsTheEmbedding() throws IOException {
    String tied = "{\"architectures\": [\"Qwen2ForCausalLM\"], \"tie_word_embeddings\": true}";
    String table = "model.embed_tokens.weight";
    assertThat(impliedHead(tied, "lm_head.weight"::equals))
        .hasValue(
            "'lm_head.weight' is excluded, but tied to 'model.embed_tokens.weight', which is"
                + " merged: it follows the merged value. To keep the base's value in both, exclude"
                + " 'model.embed_tokens.weight'");
    assertThat(impliedHead(tied, table::equals))
        .hasValue(
            "'model.embed_tokens.weight' is excluded, and the head 'lm_head.weight' is tied to it:"
                + " both keep the base's value");
    assertThat(impliedHead(tied, name -> true)).isEmpty();
    assertThat(impliedHead(tied, name -> false)).isEmpty();
    assertThat(impliedHead(tied.replace("true", "false"), table::equals)).isEmpty();
    assertThat(impliedHead(tied.replace("ForCausalLM", "Model"), table::equals)).isEmpty();
  }

  private Optional<String> impliedHead(String config, Predicate<String> isExcluded)
      throws IOException {
    Matrix embedding = Matrix.floats("model.embed_tokens.weight", 1, 2);
    try (Checkpoint base = Checkpoint.open(folder(config, embedding))) {
      return TiedWeights.exclusionOfImpliedHead(base, isExcluded);
    }
  }

  @Test
  void aHeadThatWouldBeLostIsRejected() throws IOException {
    Matrix embedding = Matrix.floats("wte.weight", 1, 2);
    Matrix head = Matrix.floats("lm_head.weight", 1, 3);
    Predicate<String> inBase = "wte.weight"::equals;
    try (Checkpoint untied = Checkpoint.open(folder("{}", embedding, head));
        Checkpoint tied =
            Checkpoint.open(folder("{}", embedding, Matrix.floats("lm_head.weight", 1, 2)));
        Checkpoint own =
            Checkpoint.open(folder("{\"tie_word_embeddings\": false}", embedding, head))) {
      assertThatThrownBy(() -> TiedWeights.requireTied("checkpoint", untied, inBase))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("'lm_head.weight' and 'wte.weight' differ, but the pool's base");
      for (Checkpoint good : List.of(tied, own)) {
        assertThatCode(() -> TiedWeights.requireTied("checkpoint", good, inBase))
            .doesNotThrowAnyException();
      }
      assertThatCode(() -> TiedWeights.requireTied("checkpoint", untied, name -> true))
          .as("the base has both")
          .doesNotThrowAnyException();
    }
  }

  @Test
  void aModelThatUntiesWhatTheBaseTiesIsRejected() throws IOException {
    Path base =
        folder("{}", Matrix.floats("lm_head.weight", 1, 2), Matrix.floats("wte.weight", 1, 2));
    Path untied =
        folder("{}", Matrix.floats("lm_head.weight", 1, 3), Matrix.floats("wte.weight", 1, 2));
    try (Checkpoint file = Checkpoint.open(base);
        Checkpoint model = Checkpoint.open(untied)) {
      TiedWeights ties = TiedWeights.of(file);
      assertThatCode(() -> ties.requireTied("model 'a'", file)).doesNotThrowAnyException();
      assertThatThrownBy(() -> ties.requireTied("model 'a'", model))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("tensors 'lm_head.weight' and 'wte.weight' differ");
    }
  }

  @ParameterizedTest
  @CsvSource({
    "fc.weight, U8, 4 1", // bitsandbytes
    "fc.weight, I8, 2 2",
    "fc.qweight, I32, 1 1",
    "fc.SCB, F32, 1",
    "fc.weight.absmax, F32, 1",
    "fc.weight.quant_state.bitsandbytes__nf4, U8, 4",
    "fc.weight_packed, I32, 1",
  })
  void quantisedWeightsAreRejected(String name, DType dtype, String shape) throws IOException {
    List<Long> sizes = List.of(shape.split(" ")).stream().map(Long::valueOf).toList();
    Path folder = folder("{}", new Matrix(name, dtype, sizes, new byte[4]));
    try (Checkpoint file = Checkpoint.open(folder)) {
      assertThatThrownBy(() -> QuantizedWeights.reject("base", file, n -> false))
          .isInstanceOf(InvalidInput.class)
          .hasMessageContaining("tensor '" + name + "' is " + dtype);
      assertThatCode(() -> QuantizedWeights.reject("base", file, name::equals))
          .doesNotThrowAnyException();
    }
  }

  @ParameterizedTest
  @CsvSource({
    "embeddings.position_ids, I64, 1 4",
    "bn.num_batches_tracked, I64, 1",
    "h.0.attn.bias, U8, 2 2",
    "fc.weight, F32, 1 1",
    "mask.weight, BOOL, 2 2"
  })
  void buffersAreNoQuantisedWeights(String name, DType dtype, String shape) throws IOException {
    List<Long> sizes = List.of(shape.split(" ")).stream().map(Long::valueOf).toList();
    long elements = sizes.stream().reduce(1L, (a, b) -> a * b);
    byte[] data = new byte[(int) elements * dtype.bytes()];
    try (Checkpoint file = Checkpoint.open(folder("{}", new Matrix(name, dtype, sizes, data)))) {
      assertThatCode(() -> QuantizedWeights.reject("base", file, n -> false))
          .doesNotThrowAnyException();
    }
  }

  @Test
  void aConfigThatSaysQuantisedIsEnough() throws IOException {
    Path folder =
        folder("{\"quantization_config\": {\"quant_method\": \"gptq\"}}", Matrix.floats("w", 1, 2));
    try (Checkpoint file = Checkpoint.open(folder)) {
      assertThatThrownBy(() -> QuantizedWeights.reject("base", file, n -> true))
          .hasMessageContaining("quantization_config {\"quant_method\":\"gptq\"}");
    }
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "GGUF123456789|GGUF file",
        "version https://git-lfs.github.com/spec/v1|git lfs pull",
        "<!DOCTYPE html><html>|web page",
        "PK\u0003\u0004 rest of the archive|torch.save",
        "{\"a\": 1, \"b\": 2}|JSON",
      })
  void foreignFilesAreNamedByTheirFirstBytes(String content, String said) throws IOException {
    Path file = directory.resolve("model.safetensors");
    Files.write(file, content.getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> Checkpoint.open(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(said);
  }

  @ParameterizedTest
  @CsvSource({
    "adapter_config.json, LoRA adapter",
    "pytorch_model.bin, safe_serialization=True",
    "model.gguf, another format",
    "weights.safetensors, give its file weights.safetensors"
  })
  void aFolderWithoutWeightsSaysWhatItHas(String name, String said) throws IOException {
    Files.writeString(directory.resolve(name), "x");
    assertThatThrownBy(() -> Checkpoint.open(directory))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(said);
  }

  @Test
  void missingNamesAreExplained() throws IOException {
    Path folder =
        folder("{}", Matrix.floats("transformer.a", 1, 2), Matrix.floats("transformer.b", 1, 2));
    try (Checkpoint file = Checkpoint.open(folder)) {
      List<String> wanted = List.of("a", "b", "h.0.attn.bias", "lm_head.weight");
      assertThat(MissingNames.explain(file, wanted, wanted))
          .contains("without the prefix 'transformer.', 2 of them are there")
          .contains("exclude_param_names_regex: ['.*attn\\.bias$']")
          .contains("lm_head.weight is a head");
    }
    TensorInfo grown = new TensorInfo("wte.weight", DType.F32, List.of(50258L, 8L));
    TensorInfo base = new TensorInfo("wte.weight", DType.F32, List.of(50257L, 8L));
    assertThat(MissingNames.explainShape(grown, base)).contains("grown by 1 tokens");
  }
}
