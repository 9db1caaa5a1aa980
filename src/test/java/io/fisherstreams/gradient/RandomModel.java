package io.fisherstreams.gradient;

import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.ModelRuntimes;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/** A small model of random weights, with examples that suit it. */
final class RandomModel {
  final ModelConfig config;
  final Map<String, float[]> checkpoint = new LinkedHashMap<>();
  final Map<String, float[]> head = new LinkedHashMap<>();
  final Map<String, TensorInfo> infos = new LinkedHashMap<>();
  final List<Example> examples = new ArrayList<>();
  private final Random random;

  RandomModel(long seed, String config) {
    this.random = new Random(seed);
    this.config = ModelConfig.parse("config.json", config.replace('\'', '"'));
  }

  void tensor(String name, long... shape) {
    put(checkpoint, name, shape);
  }

  void headTensor(String name, long... shape) {
    put(head, name, shape);
  }

  private void put(Map<String, float[]> where, String name, long... shape) {
    TensorInfo info = new TensorInfo(name, DType.F32, Arrays.stream(shape).boxed().toList());
    float[] values = new float[(int) info.elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] = (float) (random.nextGaussian() * 0.4);
    }
    where.put(name, values);
    infos.put(name, info);
  }

  void norm(String name, int width) {
    tensor(name + ".weight", width);
    tensor(name + ".bias", width);
    float[] weight = checkpoint.get(name + ".weight");
    for (int i = 0; i < width; i++) {
      weight[i] += 1;
    }
  }

  ModelRuntime load() {
    return load(Compute.cpu());
  }

  ModelRuntime load(Compute compute) {
    return ModelRuntimes.load(config, source("model", checkpoint), headSource(), compute);
  }

  ModelRuntime loadPlain() {
    return ModelRuntimes.loadPlain(
        config, source("model", checkpoint), headSource(), Compute.cpu());
  }

  private Optional<TensorSource> headSource() {
    return head.isEmpty() ? Optional.empty() : Optional.of(source("head", head));
  }

  private TensorSource source(String origin, Map<String, float[]> tensors) {
    return new TensorSource() {
      @Override
      public String origin() {
        return origin;
      }

      @Override
      public List<TensorInfo> tensors() {
        return tensors.keySet().stream().map(infos::get).toList();
      }

      @Override
      public ByteBuffer slice(String name, long firstElement, int elements) {
        ByteBuffer bytes = ByteBuffer.allocate(elements * 4).order(ByteOrder.LITTLE_ENDIAN);
        bytes.asFloatBuffer().put(tensors.get(name), (int) firstElement, elements);
        return bytes;
      }
    };
  }

  /**
   * GPT-2 with examples of 9 positions.
   *
   * @param padding "left", "right", "hole" (in the middle) or "none"
   */
  static RandomModel gpt2(
      long seed,
      int layers,
      int heads,
      int width,
      int inner,
      int classes,
      String padding,
      String prefix,
      String more) {
    int vocabulary = 23;
    int positions = 11;
    RandomModel model =
        new RandomModel(
            seed,
            String.format(
                Locale.ROOT,
                ("{'model_type': 'gpt2', 'vocab_size': %d, 'n_positions': %d, 'n_embd': %d,"
                    + " 'n_layer': %d, 'n_head': %d, 'num_labels': %d %s %s}"),
                vocabulary,
                positions,
                width,
                layers,
                heads,
                classes,
                inner == 4 * width ? "" : ", 'n_inner': " + inner,
                more));
    model.tensor(prefix + "wte.weight", vocabulary, width);
    model.tensor(prefix + "wpe.weight", positions, width);
    for (int i = 0; i < layers; i++) {
      String block = prefix + "h." + i + ".";
      model.norm(block + "ln_1", width);
      model.norm(block + "ln_2", width);
      model.tensor(block + "attn.c_attn.weight", width, 3L * width);
      model.tensor(block + "attn.c_attn.bias", 3L * width);
      model.tensor(block + "attn.c_proj.weight", width, width);
      model.tensor(block + "attn.c_proj.bias", width);
      model.tensor(block + "mlp.c_fc.weight", width, inner);
      model.tensor(block + "mlp.c_fc.bias", inner);
      model.tensor(block + "mlp.c_proj.weight", inner, width);
      model.tensor(block + "mlp.c_proj.bias", width);
    }
    model.norm(prefix + "ln_f", width);
    model.tensor("score.weight", classes, width);
    for (int i = 0; i < 5; i++) {
      int length = 9;
      long[] ids = new long[length];
      long[] mask = new long[length];
      int blank = padding.equals("none") ? 0 : 1 + model.random.nextInt(5);
      for (int t = 0; t < length; t++) {
        ids[t] = model.random.nextInt(vocabulary / 2);
        mask[t] =
            switch (padding) {
              case "left" -> t < blank ? 0 : 1;
              case "right" -> t >= length - blank ? 0 : 1;
              case "hole" -> t > 1 && t <= 1 + blank ? 0 : 1;
              default -> 1;
            };
      }
      model.examples.add(
          new Example(
              "examples",
              i,
              model.random.nextInt(classes),
              Map.of(
                  "input_ids", InputTensor.ofLongs(ids),
                  "attention_mask", InputTensor.ofLongs(mask))));
    }
    return model;
  }

  /** CLIP's vision tower with five images. */
  static RandomModel clip(
      long seed,
      int layers,
      int heads,
      int width,
      int inner,
      int channels,
      int image,
      int patch,
      int classes,
      String prefix,
      boolean nested,
      String more) {
    String vision =
        String.format(
            Locale.ROOT,
            ("'hidden_size': %d, 'intermediate_size': %d, 'num_hidden_layers': %d,"
                + " 'num_attention_heads': %d, 'num_channels': %d, 'image_size': %d,"
                + " 'patch_size': %d %s"),
            width,
            inner,
            layers,
            heads,
            channels,
            image,
            patch,
            more);
    RandomModel model =
        new RandomModel(
            seed,
            nested
                ? "{'model_type': 'clip', 'vision_config': {" + vision + "}}"
                : "{'model_type': 'clip_vision_model', " + vision + "}");
    int side = image / patch;
    model.tensor(prefix + "embeddings.class_embedding", width);
    model.tensor(prefix + "embeddings.patch_embedding.weight", width, channels, patch, patch);
    model.tensor(prefix + "embeddings.position_embedding.weight", (long) side * side + 1, width);
    model.norm(prefix + "pre_layrnorm", width);
    for (int i = 0; i < layers; i++) {
      String block = prefix + "encoder.layers." + i + ".";
      model.norm(block + "layer_norm1", width);
      model.norm(block + "layer_norm2", width);
      for (String name : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        model.tensor(block + "self_attn." + name + ".weight", width, width);
        model.tensor(block + "self_attn." + name + ".bias", width);
      }
      model.tensor(block + "mlp.fc1.weight", inner, width);
      model.tensor(block + "mlp.fc1.bias", inner);
      model.tensor(block + "mlp.fc2.weight", width, inner);
      model.tensor(block + "mlp.fc2.bias", width);
    }
    model.norm(prefix + "post_layernorm", width);
    model.headTensor("visual_projection.weight", 5, width);
    model.headTensor("logit_scale");
    model.head.get("logit_scale")[0] = 1.5f;
    model.headTensor("text_embeds", classes, 5);
    model.images(5, channels, image, classes);
    return model;
  }

  /** Images of random pixels. */
  void images(int count, int channels, int side, int classes) {
    for (int i = 0; i < count; i++) {
      float[] pixels = new float[channels * side * side];
      for (int j = 0; j < pixels.length; j++) {
        pixels[j] = (float) random.nextGaussian();
      }
      InputTensor input =
          InputTensor.ofFloats(List.of((long) channels, (long) side, (long) side), pixels);
      examples.add(
          new Example("examples", i, random.nextInt(classes), Map.of("pixel_values", input)));
    }
  }
}
