package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.DType;
import io.fisherstreams.checkpoint.Numbers;
import io.fisherstreams.checkpoint.TensorInfo;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SplittableRandom;

/**
 * Checkpoints and Fishers with the shapes of CLIP ViT-B/32's vision tower (87,456,000 parameters)
 * and random values.
 */
final class SyntheticModel {
  private static final int WIDTH = 768;
  private static final int INNER = 4 * WIDTH;
  private static final int LAYERS = 12;

  private SyntheticModel() {}

  /** The vision tower's tensors. */
  static List<TensorInfo> tensors(DType dtype) {
    List<TensorInfo> tensors = new ArrayList<>();
    String root = "vision_model.";
    add(tensors, dtype, root + "embeddings.class_embedding", WIDTH);
    add(tensors, dtype, root + "embeddings.patch_embedding.weight", WIDTH, 3, 32, 32);
    add(tensors, dtype, root + "embeddings.position_embedding.weight", 50, WIDTH);
    for (String norm : List.of("pre_layrnorm", "post_layernorm")) {
      add(tensors, dtype, root + norm + ".weight", WIDTH);
      add(tensors, dtype, root + norm + ".bias", WIDTH);
    }
    for (int layer = 0; layer < LAYERS; layer++) {
      String prefix = root + "encoder.layers." + layer + ".";
      for (String projection : List.of("q_proj", "k_proj", "v_proj", "out_proj")) {
        add(tensors, dtype, prefix + "self_attn." + projection + ".weight", WIDTH, WIDTH);
        add(tensors, dtype, prefix + "self_attn." + projection + ".bias", WIDTH);
      }
      add(tensors, dtype, prefix + "mlp.fc1.weight", INNER, WIDTH);
      add(tensors, dtype, prefix + "mlp.fc1.bias", INNER);
      add(tensors, dtype, prefix + "mlp.fc2.weight", WIDTH, INNER);
      add(tensors, dtype, prefix + "mlp.fc2.bias", WIDTH);
      for (String norm : List.of("layer_norm1", "layer_norm2")) {
        add(tensors, dtype, prefix + norm + ".weight", WIDTH);
        add(tensors, dtype, prefix + norm + ".bias", WIDTH);
      }
    }
    return tensors;
  }

  private static void add(List<TensorInfo> tensors, DType dtype, String name, long... shape) {
    List<Long> sizes = new ArrayList<>();
    for (long size : shape) {
      sizes.add(size);
    }
    tensors.add(new TensorInfo(name, dtype, sizes));
  }

  /** Number of parameters of the tower. */
  static long parameters() {
    return tensors(DType.F32).stream().mapToLong(TensorInfo::elements).sum();
  }

  /** Writes weights between -0.05 and 0.05. */
  static void writeCheckpoint(Path file, DType dtype, long seed) {
    write(file, dtype, seed, false);
  }

  /** Writes a float32 Fisher with entries between 0 and 1e-4, as squares are. */
  static void writeFisher(Path file, long seed) {
    write(file, DType.F32, seed, true);
  }

  private static void write(Path file, DType dtype, long seed, boolean squares) {
    SplittableRandom random = new SplittableRandom(seed);
    double[] values = new double[Shard.ELEMENTS];
    ByteBuffer bytes = ByteBuffer.allocate(Shard.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    try (CheckpointWriter writer = CheckpointWriter.file(file, tensors(dtype), Map.of())) {
      for (TensorInfo tensor : tensors(dtype)) {
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          for (int j = 0; j < shard.elements(); j++) {
            double value = random.nextDouble() - 0.5;
            values[j] = squares ? value * value * 4e-4 : value * 0.1;
          }
          bytes.clear();
          Numbers.fromDouble(dtype, values, 0, shard.elements(), bytes, 0);
          bytes.limit(shard.bytes());
          writer.write(tensor.name(), shard.firstElement(), bytes);
        }
      }
      writer.commit();
    }
  }
}
