package io.fisherstreams.merge;

import io.fisherstreams.kernel.KernelName;

/**
 * How the merge stage works.
 *
 * @param kernel what computes the sums of a merge
 * @param localPayloads which payloads are kept in local files
 */
public record MergeOptions(KernelName kernel, LocalPayloads localPayloads) {
  /** The defaults. */
  public static MergeOptions standard() {
    return new MergeOptions(KernelName.AUTO, LocalPayloads.ALL);
  }
}
