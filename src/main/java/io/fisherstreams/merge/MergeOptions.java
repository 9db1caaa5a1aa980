package io.fisherstreams.merge;

import io.fisherstreams.kernel.KernelName;

/**
 * How the merge stage works.
 *
 * @param kernel what computes the sums of a merge
 */
public record MergeOptions(KernelName kernel) {
  /** The defaults. */
  public static MergeOptions standard() {
    return new MergeOptions(KernelName.AUTO);
  }
}
