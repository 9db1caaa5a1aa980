package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SplittableRandom;
import java.util.function.LongSupplier;

/**
 * A model with random weights whose Fisher is estimated: the exact one of a classifier, the sampled
 * one of a language model.
 *
 * @param classes of a classifier; 0 for a language model
 * @param tokens rows of one example in the transformer's blocks
 * @param vocabulary of a model that reads text
 */
record GradientSubject(
    String title,
    SyntheticModel model,
    Optional<SyntheticModel> head,
    String config,
    int classes,
    int tokens,
    int vocabulary) {
  static GradientSubject gpt2(int classes) {
    return new GradientSubject(
        "GPT-2 small",
        SyntheticModel.gpt2(classes),
        Optional.empty(),
        "{\"model_type\": \"gpt2\", \"num_labels\": " + classes + "}",
        classes,
        64,
        50257);
  }

  static GradientSubject clip(int classes) {
    return new GradientSubject(
        "CLIP ViT-B/32",
        SyntheticModel.clip(DType.F32),
        Optional.of(SyntheticModel.clipHead(classes)),
        "{\"model_type\": \"clip_vision_model\"}",
        classes,
        50,
        0);
  }

  static GradientSubject bert(int classes) {
    return new GradientSubject(
        "BERT-base",
        SyntheticModel.bert(classes),
        Optional.empty(),
        "{\"model_type\": \"bert\", \"num_labels\": " + classes + "}",
        classes,
        128,
        30522);
  }

  static GradientSubject decoder() {
    return new GradientSubject(
        "causal decoder",
        SyntheticModel.decoder(DType.F32),
        Optional.empty(),
        "{\"model_type\": \"llama\", \"architectures\": [\"LlamaForCausalLM\"],"
            + " \"hidden_size\": 512, \"num_attention_heads\": 8, \"num_hidden_layers\": 6,"
            + " \"intermediate_size\": 1376, \"vocab_size\": 32000}",
        0,
        128,
        32_000);
  }

  boolean isLanguageModel() {
    return classes == 0;
  }

  /** What is computed. */
  Estimator estimator() {
    return isLanguageModel() ? new Estimator.Sampled(1, 0) : new Estimator.Exact();
  }

  /** Backward passes of an example. */
  private int directions() {
    return isLanguageModel() ? 1 : classes - 1;
  }

  /** Parameters that are multiplied with every token, or nearly every one, in matrix products. */
  long multiplied() {
    return model.tensors().stream()
        .filter(tensor -> !isTable(tensor.name()))
        .mapToLong(TensorInfo::elements)
        .sum();
  }

  private static boolean isTable(String name) {
    return name.endsWith("wte.weight")
        || name.endsWith("wpe.weight")
        || name.endsWith("position_embedding.weight")
        || name.endsWith("_embeddings.weight")
        || name.endsWith("embed_tokens.weight");
  }

  /**
   * Operations of one example: a multiplication and an addition a parameter and token, in a forward
   * pass, and twice as many in the backward pass of each direction: C − 1 for C classes.
   */
  double operations() {
    return 2.0 * multiplied() * tokens * (1 + 2 * directions());
  }

  /** Writes the model, its config and head, and random examples to a folder. */
  void write(Path folder, int examples) throws IOException {
    Files.writeString(folder.resolve("config.json"), config);
    model.writeCheckpoint(folder.resolve("model.safetensors"), 1);
    if (head.isPresent()) {
      head.get().writeCheckpoint(folder.resolve("head.safetensors"), 2);
    }
    SplittableRandom random = new SplittableRandom(3);
    List<Long> labelled =
        isLanguageModel() ? List.of((long) examples, (long) tokens) : List.of((long) examples);
    TensorInfo labels = new TensorInfo("labels", DType.I64, labelled);
    ByteBuffer labelBytes =
        longs(
            Math.toIntExact(labels.elements()),
            () -> random.nextInt(isLanguageModel() ? vocabulary : classes));
    boolean text = head.isEmpty();
    TensorInfo input =
        text
            ? new TensorInfo("input_ids", DType.I64, List.of((long) examples, (long) tokens))
            : new TensorInfo("pixel_values", DType.F32, List.of((long) examples, 3L, 224L, 224L));
    int elements = Math.toIntExact(input.elements());
    ByteBuffer inputBytes =
        text ? longs(elements, () -> random.nextInt(vocabulary)) : floats(elements, random);
    try (CheckpointWriter writer =
        CheckpointWriter.file(
            folder.resolve("examples.safetensors"), List.of(input, labels), Map.of())) {
      writer.write(input.name(), 0, inputBytes);
      writer.write(labels.name(), 0, labelBytes);
      writer.commit();
    }
  }

  private static ByteBuffer longs(int count, LongSupplier values) {
    ByteBuffer bytes = ByteBuffer.allocate(count * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      bytes.putLong(values.getAsLong());
    }
    return bytes.flip();
  }

  private static ByteBuffer floats(int count, SplittableRandom random) {
    ByteBuffer bytes = ByteBuffer.allocate(count * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (int i = 0; i < count; i++) {
      bytes.putFloat((float) (2 * random.nextDouble() - 1));
    }
    return bytes.flip();
  }
}
