package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeSums;
import io.fisherstreams.tensor.FloatCodec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;

/**
 * The arithmetic of one block of a shard, from the models' elements to float64. The buffers are
 * used again for each block. Used by one thread.
 */
final class BlockMerge {
  private final ShardInput.Buffers buffers = new ShardInput.Buffers();
  private final ShardInput.Buffers nextBuffers = new ShardInput.Buffers();
  private final double[] base = new double[ShardMerge.BLOCK];
  private final double[] result = new double[ShardMerge.BLOCK];
  private ByteBuffer binnedSums;

  /** The block that was computed or read last. */
  double[] result() {
    return result;
  }

  /** Reads a block of the base, which a formula reads. */
  void readBase(ShardElements elements, int first, int count) {
    read(elements, first, count, base);
  }

  /** Reads a block as the result. */
  void copy(ShardElements elements, int first, int count) {
    read(elements, first, count, result);
  }

  private void read(ShardElements elements, int first, int count, double[] target) {
    ByteBuffer own = elements.read(first, count, buffers.theta);
    FloatCodec.toDouble(elements.type(), own, 0, target, 0, count);
  }

  /**
   * Adds all models in float64 in their order.
   *
   * @param inputs in the order of their names
   * @return how many entries have no weight
   */
  int inOrder(MergeSums sums, List<ShardInput> inputs, int first, int count) {
    sums.begin(count, base);
    int pairs = inputs.size() / 2 * 2;
    for (int i = 0; i < pairs; i += 2) {
      sums.add(
          inputs.get(i).read(first, count, buffers),
          inputs.get(i + 1).read(first, count, nextBuffers));
    }
    if (pairs < inputs.size()) {
      sums.add(inputs.get(pairs).read(first, count, buffers));
    }
    return sums.finish(result);
  }

  /**
   * Uses the sums that can be kept, where they are precise enough.
   *
   * @return how many entries have no weight; −1 when all models must be read, but cannot be
   */
  int binned(ShardSums sums, ShardModels models, int first, int count) {
    Optional<KeptBlocks.Change> loaded = load(sums, models, first, count);
    if (loaded.isEmpty()) {
      return -1;
    }
    int unweighted =
        loaded.get().isPrecise() ? finish(loaded.get(), sums.binned(), models, first, count) : -1;
    return unweighted >= 0
        ? unweighted
        : models.all().map(all -> inOrder(sums.ordered(), all, first, count)).orElse(-1);
  }

  /** Brings the sums that are kept up to date, without a result. */
  void update(ShardSums sums, KeptBlocks blocks, int first, int count) {
    KeptBlocks.Change change = load(sums, blocks, first, count).orElseThrow();
    if (!change.isNone()) {
      apply(change, sums.binned(), first, count);
      blocks.keep(first, binnedSums, sums.binned().outside(), true);
    }
  }

  private Optional<KeptBlocks.Change> load(
      ShardSums sums, KeptBlocks blocks, int first, int count) {
    if (binnedSums == null) {
      binnedSums =
          ByteBuffer.allocateDirect(ShardMerge.BLOCK * BinnedMerge.MAX_BYTES)
              .order(ByteOrder.LITTLE_ENDIAN);
    }
    int bytes = count * sums.bytes();
    Optional<KeptBlocks.Change> change = blocks.load(first, binnedSums.clear().limit(bytes));
    if (change.isPresent() && change.get().isAnew()) {
      binnedSums.clear().limit(bytes);
      for (int at = 0; at < bytes; at += Long.BYTES) {
        binnedSums.putLong(at, 0);
      }
    }
    return change;
  }

  private int finish(
      KeptBlocks.Change change, BinnedMerge sums, ShardModels models, int first, int count) {
    apply(change, sums, first, count);
    int unweighted = sums.finish(models.count(), models.weights(), result);
    if (!change.isNone()) {
      models.keep(first, binnedSums, sums.outside(), unweighted >= 0);
    }
    return unweighted;
  }

  private void apply(KeptBlocks.Change change, BinnedMerge sums, int first, int count) {
    sums.begin(binnedSums, count, change.outside(), base);
    change.gone().forEach(gone -> sums.subtract(gone.read(first, count, buffers)));
    change.added().forEach(added -> sums.add(added.read(first, count, buffers)));
  }
}
