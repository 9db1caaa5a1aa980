package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.device.Precision;
import java.util.Arrays;
import java.util.List;

/**
 * The head's part of a backward pass, one direction at a time: it adds the squares of the head's
 * weight, and returns the gradient of the hidden rows.
 *
 * <p>A tied weight is also the table of token embeddings, whose gradient is known only at the end
 * of the pass. The rows that the example looks up are left out of the squares here; their part of
 * the gradient goes to the table's {@link RowGradients}, where the embedding's part is added before
 * they are squared.
 */
final class HeadGradient {
  private final VocabularyHead head;
  private final LoadedParameter weight;
  private final boolean tied;
  private final SquaredSums sums;
  private final LogitColumns columns;
  private final Precision precision;

  HeadGradient(VocabularyHead head, LoadedParameter weight, boolean tied, SquaredSums sums) {
    this.head = head;
    this.weight = weight;
    this.tied = tied;
    this.sums = sums;
    this.columns = LogitColumns.of(sums.compute());
    this.precision = weight.precision();
  }

  /**
   * Where a direction's gradients go.
   *
   * @param direction its number in the pass
   * @param lookedUp the rows of the token table that its example looks up
   * @param rows receives their gradients, if the weight is tied
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  record Target(int direction, int[] lookedUp, RowGradients rows) {}

  /**
   * Adds one direction: the gradient of weight · Σ over rows of log p(token).
   *
   * @param rows the hidden rows with a target, (targets, width)
   * @param normaliser log Σ exp of the logits by row
   * @param tokens one for each row
   * @param factor of the gradient
   * @return the rows' gradients, (targets, width), in an array of its own
   */
  NDArray ofTokens(NDArray rows, double[] normaliser, int[] tokens, float factor, Target target) {
    NDArray shift = VocabularyHead.column(rows, normaliser);
    NDArray gradient = rows.zerosLike();
    head.forEachBlock(
        rows,
        (first, logits, block) -> {
          NDArray d = logits.subi(shift).exp().muli(-factor);
          columns.add(d, Arrays.stream(tokens).map(token -> token - first).toArray(), factor);
          gradient.addi(precision.product(d, block));
          addSquares(first, d, rows, target);
        });
    shift.close();
    return gradient;
  }

  /**
   * Adds one direction: the gradient along a vector of logits of one row.
   *
   * @param row the hidden row, (1, width)
   * @param logits the vector, one value a token
   */
  NDArray ofLogits(NDArray row, float[] logits, Target target) {
    NDManager manager = row.getManager();
    return Scratch.scoped(
        () -> {
          NDArray d = manager.create(logits, new Shape(1, logits.length));
          NDArray gradient = precision.product(d, weight.value());
          addSquares(0, d, row, target);
          return gradient;
        });
  }

  /** Overwrites d. */
  private void addSquares(int first, NDArray d, NDArray rows, Target target) {
    if (!weight.estimated()) {
      return;
    }
    if (tied) {
      moveLookedUp(first, d, rows, target);
    }
    sums.dense(weight).addSquaredProduct(first, d, rows);
  }

  /** Moves the columns of looked-up tokens from d to the table's rows. */
  private void moveLookedUp(int first, NDArray d, NDArray rows, Target target) {
    int end = first + Math.toIntExact(d.getShape().get(1));
    List<Integer> tokens =
        Arrays.stream(target.lookedUp)
            .distinct()
            .filter(token -> token >= first && token < end)
            .boxed()
            .toList();
    if (tokens.isEmpty()) {
      return;
    }
    NDArray moved = columns.take(d, tokens.stream().map(token -> token - first).toList());
    target.rows.add(target.direction, tokens, precision.product(moved, rows));
  }
}
