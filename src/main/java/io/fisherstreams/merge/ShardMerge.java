package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSums;
import io.fisherstreams.fisher.MergeSums.Term;
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
  private final double[] baseValues = new double[BLOCK];
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
   * A shard's parameters in a payload file.
   *
   * @param file the file
   * @param firstByte where the shard begins in it
   * @param type the parameters' type
   */
  record Source(PayloadFile file, long firstByte, DType type) {
    /** Reads {@code count} elements from the shard's {@code first} on. */
    private void read(int first, int count, ByteBuffer into) {
      file.read(firstByte + (long) first * type.bytes(), count * type.bytes(), into);
    }
  }

  /**
   * A shard's Fisher in a payload file.
   *
   * @param file the file, float32
   * @param firstElement where the shard begins in it
   * @param divisor what the entries are divided by to give the Fisher
   * @param unit what the Fisher is divided by
   */
  record FisherSource(PayloadFile file, long firstElement, double divisor, double unit) {}

  /**
   * One model's part of a shard.
   *
   * @param checkpoint its parameters
   * @param fisher its Fisher; empty when the formula reads none
   * @param weight the model's weight
   */
  record Input(Source checkpoint, Optional<FisherSource> fisher, double weight) {
    /** Reads {@code count} elements from the shard's {@code first} on into a block. */
    private Term read(int first, int count, Block block) {
      checkpoint.read(first, count, block.theta);
      if (fisher.isEmpty()) {
        return new Term(checkpoint.type, block.theta, block.fisher, 1, weight);
      }
      FisherSource source = fisher.get();
      source.file.read(
          (source.firstElement + first) * Float.BYTES, count * Float.BYTES, block.fisher);
      return new Term(
          checkpoint.type, block.theta, block.fisher, source.divisor, source.unit, weight);
    }
  }

  /** Sums for {@link #merge}. */
  static MergeSums sums(MergeFormula formula) {
    return formula.sums(BLOCK);
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
   * @param base the base model's shard; empty when the formula does not read it
   * @param dtype the type of the result
   * @return how many of its entries have no weight
   */
  long merge(MergeSums sums, Optional<Source> base, List<Input> inputs, int elements, DType dtype) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    long unweighted = 0;
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      if (base.isPresent()) {
        base.get().read(first, count, block.theta);
        FloatCodec.toDouble(base.get().type, block.theta, 0, baseValues, 0, count);
      }
      sums.begin(count, baseValues);
      int pairs = inputs.size() / 2 * 2;
      for (int i = 0; i < pairs; i += 2) {
        sums.add(
            inputs.get(i).read(first, count, block),
            inputs.get(i + 1).read(first, count, nextBlock));
      }
      if (pairs < inputs.size()) {
        sums.add(inputs.get(pairs).read(first, count, block));
      }
      unweighted += sums.finish(result);
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, false);
    }
    return unweighted;
  }

  /**
   * Copies a shard.
   *
   * @param dtype the type of the result
   */
  void copy(Source source, int elements, DType dtype) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    DType type = source.type;
    if (type == dtype) {
      source.file.read(source.firstByte, merged.limit(), merged);
      return;
    }
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      source.read(first, count, block.theta);
      FloatCodec.toDouble(type, block.theta, 0, result, 0, count);
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, true);
    }
  }
}
