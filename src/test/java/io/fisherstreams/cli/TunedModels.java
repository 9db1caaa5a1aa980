package io.fisherstreams.cli;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;
import java.util.function.IntToDoubleFunction;

/**
 * Small MLPs, all of one base, with Fishers, and examples whose labels are those that a target
 * network gives: the base plus a part of the first model's difference from it.
 */
final class TunedModels {
  static final int EXAMPLES = 200;

  private static final int INPUTS = 6;
  private static final int HIDDEN = 8;
  private static final int CLASSES = 3;
  private static final List<TensorInfo> TENSORS = tensors(DType.F32);

  private final Path folder;
  private final DType dtype;
  private final List<String> names = new ArrayList<>();
  private final Map<String, float[]> base = random(0, 1);

  /**
   * Writes the files.
   *
   * @param part of the first model's difference from the base that the labels come from
   */
  TunedModels(Path folder, int models, double part) throws IOException {
    this(folder, models, part, DType.F32);
  }

  /** Writes checkpoints of a dtype: F32, or BF16, to which the values are cut. */
  TunedModels(Path folder, int models, double part, DType dtype) throws IOException {
    this.folder = folder;
    this.dtype = dtype;
    write("base", base);
    Map<String, float[]> target = new LinkedHashMap<>();
    for (int m = 0; m < models; m++) {
      String name = "model-" + (char) ('a' + m);
      Map<String, float[]> difference = random(10 + m, 1.5);
      Map<String, float[]> own = plus(difference, 1);
      if (m == 0) {
        target.putAll(plus(difference, part));
      }
      names.add(name);
      write(name, own);
      Map<String, float[]> fisher = random(100 + m, 1);
      fisher.values().forEach(TunedModels::square);
      CommandPool.write(folder.resolve(name + ".fisher.safetensors"), TENSORS, fisher);
    }
    Files.writeString(
        folder.resolve("config.json"),
        String.format(
            Locale.ROOT,
            ("{\"model_type\": \"mlp\", \"input_size\": %d, \"hidden_sizes\": [%d],"
                + " \"num_labels\": %d, \"activation\": \"tanh\"}"),
            INPUTS,
            HIDDEN,
            CLASSES));
    writeExamples(target);
  }

  private static List<TensorInfo> tensors(DType dtype) {
    return List.of(
        new TensorInfo("layers.0.weight", dtype, List.of((long) HIDDEN, (long) INPUTS)),
        new TensorInfo("layers.0.bias", dtype, List.of((long) HIDDEN)),
        new TensorInfo("layers.1.weight", dtype, List.of((long) CLASSES, (long) HIDDEN)),
        new TensorInfo("layers.1.bias", dtype, List.of((long) CLASSES)));
  }

  private static void square(float[] values) {
    for (int i = 0; i < values.length; i++) {
      values[i] *= values[i];
    }
  }

  private static Map<String, float[]> random(long seed, double size) {
    Random random = new Random(seed);
    Map<String, float[]> tensors = new LinkedHashMap<>();
    for (TensorInfo tensor : TENSORS) {
      float[] values = new float[(int) tensor.elements()];
      for (int i = 0; i < values.length; i++) {
        values[i] = (float) (size * random.nextGaussian());
      }
      tensors.put(tensor.name(), values);
    }
    return tensors;
  }

  private Map<String, float[]> plus(Map<String, float[]> difference, double part) {
    Map<String, float[]> sum = new LinkedHashMap<>();
    base.forEach(
        (name, values) -> {
          float[] all = values.clone();
          for (int i = 0; i < all.length; i++) {
            all[i] += (float) (part * difference.get(name)[i]);
          }
          sum.put(name, all);
        });
    return sum;
  }

  private void write(String name, Map<String, float[]> tensors) {
    Path file = folder.resolve(name + ".safetensors");
    if (dtype == DType.F32) {
      CommandPool.write(file, TENSORS, tensors);
      return;
    }
    try (CheckpointWriter writer = CheckpointWriter.file(file, tensors(dtype), Map.of())) {
      tensors.forEach((tensor, values) -> writer.write(tensor, 0, upperHalves(values)));
      writer.commit();
    }
  }

  /** The first 16 bits of each float32, which are a bfloat16. */
  private static ByteBuffer upperHalves(float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * Short.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putShort((short) (Float.floatToRawIntBits(value) >> 16));
    }
    return bytes.flip();
  }

  private void writeExamples(Map<String, float[]> target) {
    Random random = new Random(7);
    float[] inputs = new float[EXAMPLES * INPUTS];
    long[] labels = new long[EXAMPLES];
    for (int i = 0; i < EXAMPLES; i++) {
      for (int j = 0; j < INPUTS; j++) {
        inputs[i * INPUTS + j] = (float) random.nextGaussian();
      }
      labels[i] = label(target, inputs, i * INPUTS);
    }
    ByteBuffer pixels =
        ByteBuffer.allocate(inputs.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    pixels.asFloatBuffer().put(inputs);
    ByteBuffer classes = ByteBuffer.allocate(EXAMPLES * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    classes.asLongBuffer().put(labels);
    List<TensorInfo> tensors =
        List.of(
            new TensorInfo("pixel_values", DType.F32, List.of((long) EXAMPLES, (long) INPUTS)),
            new TensorInfo("labels", DType.I64, List.of((long) EXAMPLES)));
    try (CheckpointWriter writer = CheckpointWriter.file(examples(), tensors, Map.of())) {
      writer.write("pixel_values", 0, pixels);
      writer.write("labels", 0, classes);
      writer.commit();
    }
  }

  private static int label(Map<String, float[]> network, float[] inputs, int offset) {
    double[] hidden = layer(network, 0, INPUTS, j -> inputs[offset + j]);
    for (int h = 0; h < HIDDEN; h++) {
      hidden[h] = Math.tanh(hidden[h]);
    }
    double[] logits = layer(network, 1, HIDDEN, h -> hidden[h]);
    int best = 0;
    for (int c = 1; c < CLASSES; c++) {
      best = logits[c] > logits[best] ? c : best;
    }
    return best;
  }

  private static double[] layer(
      Map<String, float[]> network, int layer, int inputs, IntToDoubleFunction input) {
    float[] weight = network.get("layers." + layer + ".weight");
    float[] bias = network.get("layers." + layer + ".bias");
    double[] sums = new double[bias.length];
    for (int row = 0; row < bias.length; row++) {
      sums[row] = bias[row];
      for (int j = 0; j < inputs; j++) {
        sums[row] += weight[row * inputs + j] * input.applyAsDouble(j);
      }
    }
    return sums;
  }

  /** The labelled examples of the only task, the first model's. */
  Path examples() {
    return folder.resolve("test.safetensors");
  }

  /**
   * Writes a LoRA adapter of rank 1 that changes the weights of the first layer only.
   *
   * @return its folder
   */
  Path adapter() throws IOException {
    Path adapter = Files.createDirectory(folder.resolve("adapter"));
    Files.writeString(
        adapter.resolve("adapter_config.json"),
        "{\"peft_type\": \"LORA\", \"r\": 1, \"lora_alpha\": 1, \"target_modules\": [\"0\"]}");
    String module = "base_model.model.layers.0.";
    List<TensorInfo> tensors =
        List.of(
            new TensorInfo(module + "lora_A.weight", DType.F32, List.of(1L, (long) INPUTS)),
            new TensorInfo(module + "lora_B.weight", DType.F32, List.of((long) HIDDEN, 1L)));
    Random random = new Random(17);
    Map<String, float[]> values = new LinkedHashMap<>();
    for (TensorInfo tensor : tensors) {
      float[] factors = new float[(int) tensor.elements()];
      for (int i = 0; i < factors.length; i++) {
        factors[i] = (float) random.nextGaussian();
      }
      values.put(tensor.name(), factors);
    }
    CommandPool.write(adapter.resolve("adapter_model.safetensors"), tensors, values);
    return adapter;
  }

  /** Writes a merge.yaml of all models. */
  Path yaml(String method) throws IOException {
    StringBuilder yaml = new StringBuilder("base: base.safetensors\nmodels:\n");
    for (String name : names) {
      yaml.append("  - name: ").append(name).append('\n');
      yaml.append("    checkpoint: ").append(name).append(".safetensors\n");
      yaml.append("    fisher: ").append(name).append(".fisher.safetensors\n");
    }
    yaml.insert(
        yaml.indexOf("model-a.fisher.safetensors\n") + 27,
        "    evaluation_examples: test.safetensors\n");
    yaml.append("method: ").append(method).append('\n');
    return Files.writeString(folder.resolve("merge.yaml"), yaml.toString());
  }
}
