package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.CheckpointWriter;
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
 * A model with random weights whose exact Fisher is computed.
 *
 * @param tokens rows of one example in the transformer's blocks
 */
record GradientSubject(
    String title,
    SyntheticModel model,
    Optional<SyntheticModel> head,
    String config,
    int classes,
    int tokens) {
  static GradientSubject gpt2(int classes) {
    return new GradientSubject(
        "GPT-2 small",
        SyntheticModel.gpt2(classes),
        Optional.empty(),
        "{\"model_type\": \"gpt2\", \"num_labels\": " + classes + "}",
        classes,
        64);
  }

  static GradientSubject clip(int classes) {
    return new GradientSubject(
        "CLIP ViT-B/32",
        SyntheticModel.clip(DType.F32),
        Optional.of(SyntheticModel.clipHead(classes)),
        "{\"model_type\": \"clip_vision_model\"}",
        classes,
        50);
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
        || name.endsWith("position_embedding.weight");
  }

  /**
   * Operations of one example: a multiplication and an addition a parameter and token, in a forward
   * pass, and twice as many in the backward pass of each of C − 1 directions.
   */
  double operations() {
    return 2.0 * multiplied() * tokens * (1 + 2 * (classes - 1));
  }

  /** Writes the model, its config and head, and random examples to a folder. */
  void write(Path folder, int examples) throws IOException {
    Files.writeString(folder.resolve("config.json"), config);
    model.writeCheckpoint(folder.resolve("model.safetensors"), 1);
    if (head.isPresent()) {
      head.get().writeCheckpoint(folder.resolve("head.safetensors"), 2);
    }
    SplittableRandom random = new SplittableRandom(3);
    TensorInfo labels = new TensorInfo("labels", DType.I64, List.of((long) examples));
    ByteBuffer labelBytes = longs(examples, () -> random.nextInt(classes));
    boolean text = head.isEmpty();
    TensorInfo input =
        text
            ? new TensorInfo("input_ids", DType.I64, List.of((long) examples, (long) tokens))
            : new TensorInfo("pixel_values", DType.F32, List.of((long) examples, 3L, 224L, 224L));
    int elements = Math.toIntExact(input.elements());
    ByteBuffer inputBytes =
        text ? longs(elements, () -> random.nextInt(50257)) : floats(elements, random);
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
