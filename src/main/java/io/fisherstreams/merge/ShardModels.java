package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import java.util.List;
import java.util.Optional;

/**
 * The models of a shard, and what is kept of their sums. The models are at least {@link
 * BinnedMerge#MIN_MODELS}.
 */
interface ShardModels extends KeptBlocks {
  /** How many. */
  int count();

  /** The sum of their weights, in the order of their names. */
  double weights();

  /** All of them, in the order of their names; empty while they cannot be read. */
  Optional<List<ShardInput>> all();
}
