package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/** What is kept of a shard's sums, block by block, and which models must change in them. */
interface KeptBlocks {
  /**
   * Loads a block's sums.
   *
   * @param first element of the shard
   * @param sums receives them, unless the block is built anew
   * @return what must change in them; empty when all models must be read, but cannot be
   */
  Optional<Change> load(int first, ByteBuffer sums);

  /**
   * Keeps a block's sums.
   *
   * @param isPrecise whether the result can be computed from them
   */
  void keep(int first, ByteBuffer sums, long outside, boolean isPrecise);

  /**
   * What must change in a block's sums.
   *
   * @param isPrecise false when the sums hold the models, but the result must be computed from all
   *     of them: the sums were not loaded
   * @param isAnew whether the sums begin without a model: they were not loaded
   * @param outside of the loaded sums, as {@link BinnedMerge#outside} counts
   * @param gone models to take out
   * @param added models to add
   */
  record Change(
      boolean isPrecise,
      boolean isAnew,
      long outside,
      List<ShardInput> gone,
      List<ShardInput> added) {
    /** The sums hold the models, and are not precise enough. */
    static final Change IMPRECISE = new Change(false, false, 0, List.of(), List.of());

    /** Sums that were loaded. */
    static Change of(long outside, List<ShardInput> gone, List<ShardInput> added) {
      return new Change(true, false, outside, gone, added);
    }

    /** Sums of these models alone. */
    static Change anew(List<ShardInput> added) {
      return new Change(true, true, 0, List.of(), added);
    }

    /** Whether the sums are already those of the models. */
    boolean isNone() {
      return gone.isEmpty() && added.isEmpty();
    }
  }
}
