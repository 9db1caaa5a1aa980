package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;

/**
 * The models of a shard, and what is kept of their sums. The models are at least {@link
 * BinnedMerge#MIN_MODELS}.
 */
interface ShardModels {
  /** How many. */
  int count();

  /** The sum of their weights, in the order of their names. */
  double weights();

  /** All of them, in the order of their names; empty while they cannot be read. */
  Optional<List<ShardInput>> all();

  /**
   * Loads a block's sums.
   *
   * @param first element of the shard
   * @param sums receives them; all bytes are 0 when the block is built from all models
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
   * What must change in sums that were loaded.
   *
   * @param isPrecise false when the sums hold the models, but the result must be computed from all
   *     of them: the sums were not loaded
   * @param outside of the loaded sums, as {@link BinnedMerge#outside} counts
   * @param gone models to take out
   * @param added models to add
   */
  record Change(boolean isPrecise, long outside, List<ShardInput> gone, List<ShardInput> added) {}
}
