package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/**
 * The arithmetic of one shard of a release, from files to a buffer, block by block. The merge stage
 * and a merge without a pool use it, so both give the same bytes. With fewer than {@link
 * BinnedMerge#MIN_MODELS} models it adds them in float64 in their order; with more it uses sums
 * that can be kept, and adds in order only the blocks for which those are not precise enough. Which
 * one it uses depends on the models alone. The buffers are used again for each shard. Used by one
 * thread.
 */
public final class ShardMerge {
  /**
   * The most elements that are read at a time. Sums, parameters and Fishers of one block stay in a
   * core's own cache; a smaller block would need more read calls.
   */
  public static final int BLOCK = 32_768;

  private final BlockMerge blocks = new BlockMerge();
  private final ByteBuffer merged =
      ByteBuffer.allocate(Shard.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  private Misfit misfit;

  /** Models whose sums are built for this one merge. */
  private static final class Anew extends ListedModels {
    Anew(List<ShardInput> inputs) {
      super(inputs);
    }

    @Override
    public Optional<Change> load(int first, ByteBuffer sums) {
      return Optional.of(Change.anew(inputs));
    }

    @Override
    public void keep(int first, ByteBuffer sums, long outside, boolean isPrecise) {}
  }

  /** The shard that was computed last, little-endian, valid until the next one. */
  public ByteBuffer merged() {
    return merged;
  }

  /** The first element of the last shard that is not finite, although it should be. */
  public Optional<Misfit> misfit() {
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
      if (!isCopy || Double.isFinite(blocks.result()[j])) {
        misfit = new Misfit(first + j, blocks.result()[j]);
      }
    }
  }

  /**
   * Merges a shard.
   *
   * @param base the base model's shard; empty when the formula does not read it
   * @param inputs in the order of their names, with the factors of {@link PlanFactors}
   * @param dtype the type of the result
   * @return how many of its entries have no weight
   */
  public long merge(
      ShardSums sums,
      Optional<? extends ShardElements> base,
      List<ShardInput> inputs,
      int elements,
      DType dtype) {
    if (inputs.size() >= BinnedMerge.MIN_MODELS) {
      return merge(sums, base, new Anew(inputs), elements, dtype);
    }
    return forEachBlock(
        base,
        elements,
        dtype,
        (first, count) -> blocks.inOrder(sums.ordered(), inputs, first, count));
  }

  /**
   * Merges a shard of many models.
   *
   * @return how many of its entries have no weight; −1 when all models must be read, but cannot be
   */
  long merge(
      ShardSums sums,
      Optional<? extends ShardElements> base,
      ShardModels models,
      int elements,
      DType dtype) {
    return forEachBlock(
        base, elements, dtype, (first, count) -> blocks.binned(sums, models, first, count));
  }

  /**
   * Brings the sums that are kept of a shard up to date, without a result.
   *
   * @param base the base model's shard; empty when the formula does not read it
   */
  void update(
      ShardSums sums, Optional<? extends ShardElements> base, KeptBlocks kept, int elements) {
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      if (base.isPresent()) {
        blocks.readBase(base.get(), first, count);
      }
      blocks.update(sums, kept, first, count);
    }
  }

  private interface Computation {
    /** Computes the result of a block; returns how many entries have no weight, or −1. */
    int apply(int first, int count);
  }

  private long forEachBlock(
      Optional<? extends ShardElements> base, int elements, DType dtype, Computation merge) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    long unweighted = 0;
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      if (base.isPresent()) {
        blocks.readBase(base.get(), first, count);
      }
      int ofBlock = merge.apply(first, count);
      if (ofBlock < 0) {
        return -1;
      }
      unweighted += ofBlock;
      FloatCodec.fromDouble(dtype, blocks.result(), 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, false);
    }
    return unweighted;
  }

  /**
   * Copies a shard.
   *
   * @param dtype the type of the result
   */
  @SuppressWarnings("ReferenceEquality") // the buffer itself may come back
  public void copy(ShardElements source, int elements, DType dtype) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    if (source.type() == dtype) {
      ByteBuffer bytes = source.read(0, elements, merged);
      if (bytes != merged) {
        merged.put(0, bytes, 0, elements * dtype.bytes());
      }
      return;
    }
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      blocks.copy(source, first, count);
      FloatCodec.fromDouble(dtype, blocks.result(), 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, true);
    }
  }
}
