package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;

/**
 * What the attention layers of one pass need beside their input.
 *
 * @param mask added to the attention scores, broadcast to (examples, heads, query rows, rows); null
 *     for none
 * @param select (examples, 1, rows), 1 at the only row to compute and 0 elsewhere; null for all
 *     rows
 * @param rotary turns queries and keys by their positions; null for none
 * @param bias the part of the mask that is learned, which receives the scores' gradients; null for
 *     none
 * @param source an encoder's output, which cross-attention reads; null for none
 */
record Attending(
    NDArray mask, NDArray select, Rotary.Turn rotary, RelativeBias.Pass bias, Encoded source) {

  /** Every row, with or without rotary positions. */
  Attending(NDArray mask, NDArray select, Rotary.Turn rotary) {
    this(mask, select, rotary, null, null);
  }

  /** Every row, with a mask that includes a learned bias. */
  static Attending biased(NDArray mask, RelativeBias.Pass bias) {
    return new Attending(mask, null, null, bias, null);
  }

  /** Every row, attending to an encoder's output. */
  static Attending to(Encoded source, NDArray mask) {
    return new Attending(mask, null, null, null, source);
  }

  /** Every row, with only a mask. */
  static Attending masked(NDArray mask) {
    return new Attending(mask, null, null);
  }

  /**
   * Only one row of each example.
   *
   * @param row 1 at the row and 0 elsewhere, (examples, 1, rows)
   */
  Attending only(NDArray row) {
    return new Attending(rowOf(mask, row), row, rotary == null ? null : rotary.only(row));
  }

  private static NDArray rowOf(NDArray mask, NDArray row) {
    if (mask == null || mask.getShape().get(2) == 1) {
      return mask; // the same for every query
    }
    long examples = row.getShape().get(0);
    long rows = row.getShape().get(2);
    return row.reshape(examples, 1, 1, rows).matMul(mask);
  }

  /** The computed rows of an input. */
  NDArray selected(NDArray rows) {
    return select == null ? rows : select.matMul(rows);
  }

  /** Gradients of the computed rows as gradients of all rows. */
  NDArray scattered(NDArray d, Backward backward) {
    return select == null ? d : backward.byDirection(select).transpose(0, 2, 1).matMul(d);
  }
}
