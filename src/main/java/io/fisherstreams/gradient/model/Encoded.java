package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;

/** An encoder's output, which several layers of a decoder read, and the sum of its gradients. */
final class Encoded {
  private final NDArray rows;
  private final Backward.RowRanges ranges;
  private NDArray gradient;

  /**
   * An output without a gradient.
   *
   * @param rows (examples, rows, width)
   * @param ranges the rows that can have a gradient
   */
  Encoded(NDArray rows, Backward.RowRanges ranges) {
    this.rows = rows;
    this.ranges = ranges;
  }

  NDArray rows() {
    return rows;
  }

  /** The backward pass, for the encoder's rows. */
  Backward backward(Backward decoder) {
    return decoder.with(ranges);
  }

  /** Adds the gradients of one layer, (directions, rows, width), which must be its own array. */
  void add(NDArray layer) {
    if (gradient == null) {
      gradient = Scratch.keep(layer);
    } else {
      gradient.addi(layer);
    }
  }

  /** The sum of all gradients since the last call; the caller closes it. */
  NDArray take() {
    NDArray sum = gradient;
    gradient = null;
    return sum;
  }
}
