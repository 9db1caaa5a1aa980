package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Small adapters of one or two modules, whose sums are done by hand. */
class AdapterTest {
  private static final String MODULE = "base_model.model.model.q.";

  @TempDir private Path directory;
  private Path base;
  private Path adapter;
  private final Map<String, Tensor> tensors = new LinkedHashMap<>();

  private record Tensor(List<Long> shape, float... values) {}

  private static Tensor tensor(List<Long> shape, float... values) {
    return new Tensor(shape, values);
  }

  @BeforeEach
  void folders() throws IOException {
    base = Files.createDirectory(directory.resolve("base"));
    adapter = Files.createDirectory(directory.resolve("adapter"));
  }

  private static void write(Path folder, String file, Map<String, Tensor> tensors) {
    List<TensorInfo> infos = new ArrayList<>();
    tensors.forEach((name, value) -> infos.add(new TensorInfo(name, DType.F32, value.shape)));
    try (CheckpointWriter writer = CheckpointWriter.file(folder.resolve(file), infos, Map.of())) {
      tensors.forEach(
          (name, value) -> {
            ByteBuffer data =
                ByteBuffer.allocate(4 * value.values.length).order(ByteOrder.LITTLE_ENDIAN);
            data.asFloatBuffer().put(value.values);
            writer.write(name, 0, data);
          });
      writer.commit();
    }
  }

  private void base(String config, Map<String, Tensor> values) throws IOException {
    write(base, "model.safetensors", values);
    Files.writeString(base.resolve("config.json"), config);
  }

  private void llama() throws IOException {
    base(
        "{\"model_type\": \"llama\"}",
        Map.of(
            "model.q.weight", tensor(List.of(2L, 2L), 1, 2, 3, 4),
            "model.q.bias", tensor(List.of(2L), 5, 6),
            "model.k.weight", tensor(List.of(1L, 2L), 7, 8)));
  }

  @Test
  void aFileOfChangesIsTheWholeModelOnItsBaseOnly() throws IOException {
    llama();
    Path file = directory.resolve("changes.safetensors");
    TensorInfo bias = new TensorInfo("model.q.bias", DType.F32, List.of(2L));
    Map<String, String> metadata = Map.of(Checkpoint.CHANGES_ONLY, "");
    try (CheckpointWriter writer = CheckpointWriter.file(file, List.of(bias), metadata)) {
      ByteBuffer data = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN);
      data.asFloatBuffer().put(new float[] {9, 10});
      writer.write("model.q.bias", 0, data);
      writer.commit();
    }
    try (Checkpoint whole = Checkpoint.open(file, Optional.of(base))) {
      assertThat(whole.unchanged()).containsExactlyInAnyOrder("model.q.weight", "model.k.weight");
      assertThat(whole.slice("model.q.bias", 1, 1).getFloat(0)).isEqualTo(10);
      assertThat(whole.slice("model.k.weight", 1, 1).getFloat(0)).isEqualTo(8);
      assertThat(whole.files()).containsExactly(file);
    }
    try (Checkpoint alone = Checkpoint.open(file)) {
      assertThat(alone.tensors()).containsOnlyKeys("model.q.bias");
      assertThat(alone.isExpanded()).isFalse();
    }
  }

  /** Rank 1: A = [1, 10] and B = [2, 3]ᵀ, so B A = [[2, 20], [3, 30]]. */
  private void factors(String module) {
    tensors.put(module + "lora_A.weight", tensor(List.of(1L, 2L), 1, 10));
    tensors.put(module + "lora_B.weight", tensor(List.of(2L, 1L), 2, 3));
  }

  private void config(String more) throws IOException {
    String end = more.isEmpty() ? "" : ", " + more;
    Files.writeString(
        adapter.resolve("adapter_config.json"),
        "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 2" + end + "}");
  }

  private Checkpoint open() {
    write(adapter, "adapter_model.safetensors", tensors);
    return Checkpoint.open(adapter, Optional.of(base));
  }

  private static double[] values(Checkpoint file, String name) {
    int elements = (int) file.tensors().get(name).elements();
    double[] values = new double[elements];
    FloatCodec.toDouble(
        file.tensors().get(name).dtype(), file.slice(name, 0, elements), 0, values, 0, elements);
    return values;
  }

  private void assertRejected(String... parts) {
    assertThatThrownBy(() -> open().close())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContainingAll(parts);
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "module."})
  void aModulesWeightGetsTheScaledProduct(String wrapper) throws IOException {
    llama();
    config("");
    factors(wrapper + MODULE);
    try (Checkpoint model = open()) {
      assertThat(values(model, "model.q.weight")).containsExactly(5, 42, 9, 64);
      assertThat(model.unchanged()).containsExactlyInAnyOrder("model.q.bias", "model.k.weight");
      assertThat(model.ownTensors()).extracting(TensorInfo::name).containsExactly("model.q.weight");
      assertThat(model.configText("model_type")).contains("\"llama\"");
      assertThat(model.sha256()).isEqualTo(Checkpoint.sha256OfAdapter(adapter));
    }
  }

  @Test
  void namesMayLackThePrefixThatTheBaseHas() throws IOException {
    llama();
    config("");
    factors("base_model.model.q.");
    try (Checkpoint model = open()) {
      assertThat(values(model, "model.q.weight")).containsExactly(5, 42, 9, 64);
    }
  }

  /** A square matrix does not tell by its shape; the kind of the module does, whatever the flag. */
  @ParameterizedTest
  @CsvSource({
    "gpt2, c_proj, false, true", "gpt2, c_proj, true, true", "gpt2, lm_head, true, false",
    "llama, c_proj, true, false", "'', c_proj, true, true", "'', c_proj, false, false"
  })
  void onlyAConv1dIsTransposed(String type, String module, boolean flag, boolean transposed)
      throws IOException {
    Map<String, Tensor> weights =
        Map.of("h." + module + ".weight", tensor(List.of(2L, 2L), 0, 0, 0, 0));
    base("{\"model_type\": \"" + type + "\"}", weights);
    if (type.isEmpty()) {
      Files.delete(base.resolve("config.json"));
    }
    config("\"fan_in_fan_out\": " + flag);
    factors("base_model.model.h." + module + ".");
    try (Checkpoint model = open()) {
      double[] expected = transposed ? new double[] {4, 6, 40, 60} : new double[] {4, 40, 6, 60};
      assertThat(values(model, "h." + module + ".weight")).containsExactly(expected);
    }
  }

  @Test
  void aHeadOfItsOwnIsAdded() throws IOException {
    llama();
    config("\"modules_to_save\": [\"classifier\", \"score\"]");
    factors(MODULE);
    tensors.put("base_model.model.score.weight", tensor(List.of(1L, 2L), 1, 2));
    try (Checkpoint model = open()) {
      assertThat(values(model, "score.weight")).containsExactly(1, 2);
      assertThat(model.unchanged()).doesNotContain("score.weight");
    }
    config("");
    assertRejected("the base", "has no tensor 'score.weight'", "modules_to_save");
  }

  @Test
  void whatTheAdapterBringsAsTheBaseHasItIsUnchanged() throws IOException {
    llama();
    config("\"bias\": \"all\"");
    factors(MODULE);
    tensors.put(MODULE + "base_layer.bias", tensor(List.of(2L), 5, 6));
    try (Checkpoint model = open()) {
      assertThat(model.unchanged()).contains("model.q.bias");
    }
    tensors.put(MODULE + "base_layer.bias", tensor(List.of(2L), 5, 7));
    try (Checkpoint model = open()) {
      assertThat(model.unchanged()).doesNotContain("model.q.bias");
      assertThat(values(model, "model.q.bias")).containsExactly(5, 7);
    }
    tensors.remove(MODULE + "base_layer.bias");
    assertRejected("bias is 'all'", "has none of the trained biases, such as model.q.bias");
  }

  /** The head is the table, and an adapter of either changes both uses. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void anAdapterOfATiedHeadChangesTheTable(boolean isCopied) throws IOException {
    Tensor table = tensor(List.of(2L, 2L), 1, 2, 3, 4);
    Map<String, Tensor> weights = new LinkedHashMap<>(Map.of("model.embed_tokens.weight", table));
    if (isCopied) {
      weights.put("lm_head.weight", table);
    }
    base("{\"model_type\": \"llama\", \"tie_word_embeddings\": true}", weights);
    config("");
    factors("base_model.model.lm_head.");
    try (Checkpoint model = open()) {
      assertThat(values(model, "model.embed_tokens.weight")).containsExactly(5, 42, 9, 64);
      assertThat(model.tensors()).hasSize(isCopied ? 2 : 1);
      assertThat(model.unchanged()).isEmpty();
      if (isCopied) {
        assertThat(values(model, "lm_head.weight")).containsExactly(5, 42, 9, 64);
      }
      TiedWeights.of(Checkpoint.open(base)).requireTied("model", model);
    }
    tensors.put(
        "base_model.model.model.embed_tokens.lora_embedding_A", tensor(List.of(1L, 2L), 1, 1));
    tensors.put(
        "base_model.model.model.embed_tokens.lora_embedding_B", tensor(List.of(2L, 1L), 1, 1));
    assertRejected("both change the base's parameter 'model.embed_tokens.weight'");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "\"use_dora\": true; use_dora is true, which is not implemented (DoRA)",
        "\"use_qalora\": true; use_qalora is true",
        "\"layer_replication\": [[0, 1]]; layer_replication is [[0,1]]",
        "\"target_parameters\": [\"x\"]; target_parameters",
        "\"trainable_token_indices\": [1]; trainable_token_indices",
        "\"alora_invocation_tokens\": [1]; (aLoRA)",
        "\"new_feature_2030\": 0.5; new_feature_2030 is 0.5, which is not implemented",
        "\"init_lora_weights\": \"pissa\"; init_lora_weights is \"pissa\": this start changes the base's",
        "\"bias\": \"some\"; bias: expected none, all or lora_only, found \"some\"",
        "\"rank_pattern\": {\"q\": 3}; model.q has rank 3 (patterns are read as PEFT 0.15",
        "\"rank_pattern\": {\"(\": 3}; rank_pattern: the pattern '(' cannot be used"
      })
  void whatIsNotImplementedIsRejectedByItsKey(String more, String message) throws IOException {
    llama();
    config(more);
    factors(MODULE);
    assertRejected(adapter.resolve("adapter_config.json").toString(), message);
  }

  @Test
  void anotherKindOfAdapterIsRejected() throws IOException {
    llama();
    factors(MODULE);
    Files.writeString(adapter.resolve("adapter_config.json"), "{\"peft_type\": \"IA3\"}");
    assertRejected("peft_type: expected \"LORA\", found \"IA3\"");
    Files.writeString(adapter.resolve("adapter_config.json"), "[]");
    assertRejected("expected a JSON object");
  }

  @Test
  void tensorsThatDoNotFitTheBaseAreRejectedByName() throws IOException {
    llama();
    config("");
    factors("base_model.model.model.v.");
    assertRejected("lora_A.weight' changes 'model.v.weight', which the base", "does not have");
    tensors.clear();
    tensors.put(MODULE + "lora_A.weight", tensor(List.of(1L, 3L), 1, 1, 1));
    tensors.put(MODULE + "lora_B.weight", tensor(List.of(2L, 1L), 1, 1));
    assertRejected("for 3 inputs and 2 outputs, the base's 'model.q.weight' has shape [2, 2]");
    tensors.remove(MODULE + "lora_B.weight");
    assertRejected("model.q has no lora_B.weight");
    tensors.clear();
    factors(MODULE);
    tensors.put(MODULE + "lora_magnitude_vector", tensor(List.of(2L), 1, 1));
    assertRejected("lora_magnitude_vector' is of a kind of adapter that is not implemented (DoRA)");
  }

  @Test
  void anAdapterWithoutBaseOrFileSaysWhatIsMissing() throws IOException {
    llama();
    config("");
    factors(MODULE);
    open().close();
    assertThatThrownBy(() -> Checkpoint.open(adapter))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(adapter + " is a LoRA adapter");
    Files.delete(adapter.resolve("adapter_model.safetensors"));
    Files.writeString(adapter.resolve("adapter_model.bin"), "pickle");
    assertThatThrownBy(() -> Checkpoint.open(adapter, Optional.of(base)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("no adapter_model.safetensors: adapter_model.bin is a Python pickle");
  }
}
