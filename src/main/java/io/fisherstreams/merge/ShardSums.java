package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums;

/**
 * The sums of a formula, of both kinds: those that add models in order, and those that can be kept.
 * Used by one thread; the owner closes them.
 */
public final class ShardSums implements AutoCloseable {
  private final MergeSums ordered;
  private final BinnedMerge binned;

  /**
   * Sums for {@link ShardMerge#merge}.
   *
   * @param kernels makes what adds models in order
   */
  public ShardSums(MergeFormula formula, MergeKernel.Factory kernels) {
    ordered = formula.sums(kernels, ShardMerge.BLOCK);
    binned = new BinnedMerge(formula);
  }

  MergeSums ordered() {
    return ordered;
  }

  BinnedMerge binned() {
    return binned;
  }

  /** Bytes of an element in sums that are kept. */
  int bytes() {
    return binned.bytes();
  }

  @Override
  public void close() {
    ordered.close();
  }
}
