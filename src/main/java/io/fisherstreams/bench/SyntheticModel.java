package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Checkpoints and Fishers with the shapes of a real architecture and random values.
 *
 * @param tensors all tensors of a checkpoint
 */
record SyntheticModel(List<TensorInfo> tensors) {
  private static final int WIDTH = 768;
  private static final int INNER = 4 * WIDTH;
  private static final int LAYERS = 12;

  /** CLIP ViT-B/32's vision tower, 87,456,000 parameters. */
  static SyntheticModel clip(DType dtype) {
    Builder tensors = new Builder(dtype);
    String root = "vision_model.";
    tensors.add(root + "embeddings.class_embedding", WIDTH);
    tensors.add(root + "embeddings.patch_embedding.weight", WIDTH, 3, 32, 32);
    tensors.add(root + "embeddings.position_embedding.weight", 50, WIDTH);
    tensors.norm(root + "pre_layrnorm");
    tensors.norm(root + "post_layernorm");
    for (int layer = 0; layer < LAYERS; layer++) {
      String prefix = root + "encoder.layers." + layer + ".";
      for (String projection : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        tensors.add(prefix + "self_attn." + projection + ".weight", WIDTH, WIDTH);
        tensors.add(prefix + "self_attn." + projection + ".bias", WIDTH);
      }
      tensors.add(prefix + "mlp.fc1.weight", INNER, WIDTH);
      tensors.add(prefix + "mlp.fc1.bias", INNER);
      tensors.add(prefix + "mlp.fc2.weight", WIDTH, INNER);
      tensors.add(prefix + "mlp.fc2.bias", WIDTH);
      tensors.norm(prefix + "layer_norm1");
      tensors.norm(prefix + "layer_norm2");
    }
    return tensors.model();
  }

  /** A zero-shot head over {@link #clip}. */
  static SyntheticModel clipHead(int classes) {
    Builder tensors = new Builder(DType.F32);
    tensors.add("visual_projection.weight", 512, WIDTH);
    tensors.add("logit_scale");
    tensors.add("text_embeds", classes, 512);
    return tensors.model();
  }

  /** GPT-2 small for sequence classification, 124,439,808 parameters and the head's. */
  static SyntheticModel gpt2(int classes) {
    Builder tensors = new Builder(DType.F32);
    tensors.add("transformer.wte.weight", 50257, WIDTH);
    tensors.add("transformer.wpe.weight", 1024, WIDTH);
    for (int layer = 0; layer < LAYERS; layer++) {
      String prefix = "transformer.h." + layer + ".";
      tensors.norm(prefix + "ln_1");
      tensors.add(prefix + "attn.c_attn.weight", WIDTH, 3 * WIDTH);
      tensors.add(prefix + "attn.c_attn.bias", 3 * WIDTH);
      tensors.add(prefix + "attn.c_proj.weight", WIDTH, WIDTH);
      tensors.add(prefix + "attn.c_proj.bias", WIDTH);
      tensors.norm(prefix + "ln_2");
      tensors.add(prefix + "mlp.c_fc.weight", WIDTH, INNER);
      tensors.add(prefix + "mlp.c_fc.bias", INNER);
      tensors.add(prefix + "mlp.c_proj.weight", INNER, WIDTH);
      tensors.add(prefix + "mlp.c_proj.bias", WIDTH);
    }
    tensors.norm("transformer.ln_f");
    tensors.add("score.weight", classes, WIDTH);
    return tensors.model();
  }

  /** BERT-base for sequence classification, 109,482,240 parameters and the head's. */
  static SyntheticModel bert(int classes) {
    Builder tensors = new Builder(DType.F32);
    tensors.add("bert.embeddings.word_embeddings.weight", 30522, WIDTH);
    tensors.add("bert.embeddings.position_embeddings.weight", 512, WIDTH);
    tensors.add("bert.embeddings.token_type_embeddings.weight", 2, WIDTH);
    tensors.norm("bert.embeddings.LayerNorm");
    for (int layer = 0; layer < LAYERS; layer++) {
      String prefix = "bert.encoder.layer." + layer + ".";
      for (String projection : List.of("self.query", "self.key", "self.value", "output.dense")) {
        tensors.linear(prefix + "attention." + projection, WIDTH, WIDTH);
      }
      tensors.norm(prefix + "attention.output.LayerNorm");
      tensors.linear(prefix + "intermediate.dense", INNER, WIDTH);
      tensors.linear(prefix + "output.dense", WIDTH, INNER);
      tensors.norm(prefix + "output.LayerNorm");
    }
    tensors.linear("bert.pooler.dense", WIDTH, WIDTH);
    tensors.linear("classifier", classes, WIDTH);
    return tensors.model();
  }

  /** A causal decoder as Llama's: 6 layers, width 512, 32,000 tokens, a head of its own. */
  static SyntheticModel decoder(DType dtype) {
    int width = 512;
    Builder tensors = new Builder(dtype);
    tensors.add("model.embed_tokens.weight", 32_000, width);
    for (int layer = 0; layer < 6; layer++) {
      String prefix = "model.layers." + layer + ".";
      for (String projection : List.of("q_proj", "k_proj", "v_proj", "o_proj")) {
        tensors.add(prefix + "self_attn." + projection + ".weight", width, width);
      }
      tensors.add(prefix + "mlp.gate_proj.weight", 1376, width);
      tensors.add(prefix + "mlp.up_proj.weight", 1376, width);
      tensors.add(prefix + "mlp.down_proj.weight", width, 1376);
      tensors.add(prefix + "input_layernorm.weight", width);
      tensors.add(prefix + "post_attention_layernorm.weight", width);
    }
    tensors.add("model.norm.weight", width);
    tensors.add("lm_head.weight", 32_000, width);
    return tensors.model();
  }

  private static final class Builder {
    private final DType dtype;
    private final List<TensorInfo> tensors = new ArrayList<>();

    Builder(DType dtype) {
      this.dtype = dtype;
    }

    void add(String name, long... shape) {
      tensors.add(new TensorInfo(name, dtype, Arrays.stream(shape).boxed().toList()));
    }

    void norm(String name) {
      add(name + ".weight", WIDTH);
      add(name + ".bias", WIDTH);
    }

    void linear(String name, long outputs, long inputs) {
      add(name + ".weight", outputs, inputs);
      add(name + ".bias", outputs);
    }

    SyntheticModel model() {
      return new SyntheticModel(List.copyOf(tensors));
    }
  }

  /** Number of parameters. */
  long parameters() {
    return tensors.stream().mapToLong(TensorInfo::elements).sum();
  }

  /** Writes weights between -0.05 and 0.05. */
  void writeCheckpoint(Path file, long seed) {
    write(file, tensors, seed, false);
  }

  /** Writes a float32 Fisher with entries between 0 and 1e-4, as squares are. */
  void writeFisher(Path file, long seed) {
    List<TensorInfo> entries =
        tensors.stream()
            .map(tensor -> new TensorInfo(tensor.name(), DType.F32, tensor.shape()))
            .toList();
    write(file, entries, seed, true);
  }

  /** Publishes a checkpoint as a pool's base model; all its tensors are merged. */
  static MergeSet publishBase(Publisher publisher, Checkpoint checkpoint) {
    ModelManifest base = Manifests.base("base", 1, checkpoint.tensors().values());
    publisher.announce(base);
    publisher.checkpoint(base, checkpoint, bytes -> {});
    return ModelCheck.mergeSet(base);
  }

  private static void write(Path file, List<TensorInfo> tensors, long seed, boolean squares) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] values = new double[Shard.ELEMENTS];
    ByteBuffer bytes = ByteBuffer.allocate(Shard.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    try (CheckpointWriter writer = CheckpointWriter.file(file, tensors, Map.of())) {
      for (TensorInfo tensor : tensors) {
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          for (int j = 0; j < shard.elements(); j++) {
            double value = random.nextDouble() - 0.5;
            values[j] = squares ? value * value * 4e-4 : value * 0.1;
          }
          bytes.clear();
          FloatCodec.fromDouble(tensor.dtype(), values, 0, shard.elements(), bytes, 0);
          bytes.limit(shard.bytes());
          writer.write(tensor.name(), shard.firstElement(), bytes);
        }
      }
      writer.commit();
    }
  }
}
