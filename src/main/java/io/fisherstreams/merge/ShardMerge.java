package io.fisherstreams.merge;

import io.fisherstreams.fisher.FisherMerge;
import io.fisherstreams.fisher.FisherMerge.Term;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/**
 * The arithmetic of one shard of a release, from payload files to a buffer, block by block. The
 * buffers are used again for each shard. Used by one thread.
 */
final class ShardMerge {
  // Sums, parameters and Fishers of one block stay in a core's own cache. A smaller block would
  // need
  // more read calls.
  static final int BLOCK = 32_768;

  private final double[] result = new double[BLOCK];
  private final Block block = new Block();
  private final Block nextBlock = new Block();
  private final ByteBuffer merged =
      ByteBuffer.allocate(Shard.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  private Misfit misfit;

  /**
   * An element that the type of a release cannot hold.
   *
   * @param element its index in the shard
   * @param value before it is rounded to the type; NaN or infinite when the arithmetic overflowed
   */
  record Misfit(int element, double value) {}

  /** Buffers for one model's part of a block. */
  private static final class Block {
    private final ByteBuffer theta = ByteBuffer.allocateDirect(BLOCK * Double.BYTES);
    private final ByteBuffer fisher = ByteBuffer.allocateDirect(BLOCK * Float.BYTES);
  }

  /**
   * One model's part of a shard.
   *
   * @param checkpoint the file with its parameters
   * @param firstByte where the shard begins in it
   * @param type the parameters' type
   * @param fisher the file with its Fisher, float32
   * @param firstElement where the shard begins in it
   * @param divisor what the Fisher's entries are divided by
   * @param weight the model's weight
   */
  record Input(
      PayloadFile checkpoint,
      long firstByte,
      DType type,
      PayloadFile fisher,
      long firstElement,
      double divisor,
      double weight) {
    /** Reads {@code count} elements from the shard's {@code first} on into a block. */
    private Term read(int first, int count, Block block) {
      checkpoint.read(firstByte + (long) first * type.bytes(), count * type.bytes(), block.theta);
      fisher.read((firstElement + first) * Float.BYTES, count * Float.BYTES, block.fisher);
      return new Term(type, block.theta, block.fisher, divisor, weight);
    }
  }

  /** A kernel for {@link #merge}. */
  static FisherMerge kernel(double minimalFisherWeight) {
    return new FisherMerge(BLOCK, minimalFisherWeight);
  }

  /** The shard that was computed last, little-endian, valid until the next one. */
  ByteBuffer merged() {
    return merged;
  }

  /** The first element of the last shard that is not finite, although it should be. */
  Optional<Misfit> misfit() {
    return Optional.ofNullable(misfit);
  }

  /**
   * Looks for such an element in a block that was written.
   *
   * @param isCopy whether an element that was infinite before may stay so: a mask has infinities
   */
  private void check(DType dtype, int first, int count, boolean isCopy) {
    ByteBuffer written = merged.duplicate();
    for (int j = 0; misfit == null && j < count; j++) {
      written.position((first + j) * dtype.bytes());
      long bad = FloatScan.firstNotFinite(dtype, written, count - j);
      if (bad < 0) {
        return;
      }
      j += (int) bad;
      if (!isCopy || Double.isFinite(result[j])) {
        misfit = new Misfit(first + j, result[j]);
      }
    }
  }

  /**
   * Merges a shard.
   *
   * @param dtype the type of the result
   * @return how many of its entries have no weight
   */
  long merge(FisherMerge kernel, List<Input> inputs, int elements, DType dtype) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    long unweighted = 0;
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      kernel.begin(count);
      int pairs = inputs.size() / 2 * 2;
      for (int i = 0; i < pairs; i += 2) {
        kernel.add(
            inputs.get(i).read(first, count, block),
            inputs.get(i + 1).read(first, count, nextBlock));
      }
      if (pairs < inputs.size()) {
        kernel.add(inputs.get(pairs).read(first, count, block));
      }
      unweighted += kernel.finish(result);
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, false);
    }
    return unweighted;
  }

  /**
   * Copies a shard.
   *
   * @param firstByte where it begins in the file
   * @param type its type in the file
   * @param dtype the type of the result
   */
  void copy(PayloadFile file, long firstByte, int elements, DType type, DType dtype) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    if (type == dtype) {
      file.read(firstByte, merged.limit(), merged);
      return;
    }
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      file.read(firstByte + (long) first * type.bytes(), count * type.bytes(), block.theta);
      FloatCodec.toDouble(type, block.theta, 0, result, 0, count);
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, true);
    }
  }
}
