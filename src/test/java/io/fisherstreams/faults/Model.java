package io.fisherstreams.faults;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.checkpoint.DType;
import io.fisherstreams.checkpoint.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A random model's files: a matrix of {@value #SHARDS} shards, a vector, a scalar, an excluded
 * head.
 *
 * @param name its name
 * @param checkpoint its parameters
 * @param fisher its Fisher; null for a base model
 */
record Model(String name, Path checkpoint, Path fisher) {
  static final int SHARDS = 6;

  static final List<TensorInfo> TENSORS =
      List.of(
          new TensorInfo("body.weight", DType.F32, List.of(5L * 262_144 + 77_000)),
          new TensorInfo("body.bias", DType.F32, List.of(9L, 7L)),
          new TensorInfo("scale", DType.F32, List.of()),
          new TensorInfo("head.weight", DType.F32, List.of(300L)));

  static Model random(Path directory, String name, long seed, boolean isBase) {
    Random random = new Random(seed);
    Path checkpoint = directory.resolve(name + "-" + seed + ".safetensors");
    write(checkpoint, random, false);
    Path fisher = isBase ? null : directory.resolve(name + "-" + seed + ".fisher.safetensors");
    if (!isBase) {
      write(fisher, random, true);
    }
    return new Model(name, checkpoint, fisher);
  }

  private static void write(Path file, Random random, boolean squared) {
    try (CheckpointWriter writer = CheckpointWriter.file(file, TENSORS, Map.of())) {
      for (TensorInfo tensor : TENSORS) {
        ByteBuffer data = ByteBuffer.allocate((int) tensor.bytes()).order(ByteOrder.LITTLE_ENDIAN);
        while (data.hasRemaining()) {
          float value = random.nextFloat() - 0.5f;
          data.putFloat(squared ? value * value : value);
        }
        writer.write(tensor.name(), 0, data.flip());
      }
      writer.commit();
    }
  }

  static float[] read(Path file, TensorInfo tensor) {
    try (Checkpoint checkpoint = Checkpoint.open(file)) {
      float[] values = new float[(int) tensor.elements()];
      checkpoint
          .slice(tensor.name(), 0, values.length)
          .order(ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .get(values);
      return values;
    }
  }
}
