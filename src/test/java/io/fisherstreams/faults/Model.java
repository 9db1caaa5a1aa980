package io.fisherstreams.faults;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A random model's files: a matrix of {@value #SHARDS} shards, a vector, a scalar, an excluded
 * head.
 *
 * @param name its name
 * @param checkpoint its parameters
 * @param fishers one file with its Fisher, or several with the sums of squares of {@value
 *     #BATCH_EXAMPLES} examples each; none for a base model
 */
record Model(String name, Path checkpoint, List<Path> fishers) {
  static final int SHARDS = 4;

  /** Examples of one gradient batch. */
  static final int BATCH_EXAMPLES = 5;

  static final List<TensorInfo> TENSORS =
      List.of(
          new TensorInfo("body.weight", DType.F32, List.of((SHARDS - 1) * 262_144L + 77_000)),
          new TensorInfo("body.bias", DType.F32, List.of(9L, 7L)),
          new TensorInfo("scale", DType.F32, List.of()),
          new TensorInfo("head.weight", DType.F32, List.of(300L)));

  static final String EXCLUDED = "head";

  static final String BASE = "base";

  static Model base(Path directory, long seed) {
    return random(directory, BASE, seed, 0);
  }

  /** A model with a Fisher file. */
  static Model random(Path directory, String name, long seed) {
    return random(directory, name, seed, 1);
  }

  /** A model with so many files of sums of squares, or one with its Fisher. */
  static Model random(Path directory, String name, long seed, int files) {
    Random random = new Random(seed);
    Path checkpoint = directory.resolve(name + "-" + seed + ".safetensors");
    write(checkpoint, random, false);
    List<Path> fishers = new ArrayList<>();
    for (int i = 0; i < files; i++) {
      Path fisher = directory.resolve(name + "-" + seed + ".fisher-" + i + ".safetensors");
      write(fisher, random, true);
      fishers.add(fisher);
    }
    return new Model(name, checkpoint, fishers);
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

  /** The one Fisher file. */
  Path fisher() {
    if (isBatched()) {
      throw new IllegalStateException(name + " has batches");
    }
    return fishers.get(0);
  }

  boolean isBatched() {
    return fishers.size() > 1;
  }

  /** Examples that its Fisher stands for, as the manifest wants them. */
  long examples() {
    return isBatched() ? (long) fishers.size() * BATCH_EXAMPLES : 1;
  }

  /** The sum over all files, taken in float64 and rounded once. */
  float[] fisherSum(TensorInfo tensor) {
    double[] sums = new double[(int) tensor.elements()];
    for (Path file : fishers) {
      float[] entries = read(file, tensor);
      for (int j = 0; j < sums.length; j++) {
        sums[j] += entries[j];
      }
    }
    float[] rounded = new float[sums.length];
    for (int j = 0; j < sums.length; j++) {
      rounded[j] = (float) sums[j];
    }
    return rounded;
  }

  static boolean isMerged(TensorInfo tensor) {
    return !tensor.name().startsWith(EXCLUDED);
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
