package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.device.Precision;
import java.util.Arrays;
import java.util.List;

/**
 * The head's part of a backward pass: it adds the squares of the head's weight, and returns the
 * gradient of the hidden rows.
 *
 * <p>A tied weight is also the table of token embeddings, whose gradient is known only at the end
 * of the pass. The rows that the example looks up are left out of the squares here; their part of
 * the gradient goes to the table's {@link RowGradients}, where the embedding's part is added before
 * they are squared.
 */
final class HeadGradient {
  private final LoadedParameter weight;
  private final boolean tied;
  private final SquaredSums sums;
  private final LogitColumns columns;
  private final Precision precision;

  HeadGradient(LoadedParameter weight, boolean tied, SquaredSums sums) {
    this.weight = weight;
    this.tied = tied;
    this.sums = sums;
    this.columns = LogitColumns.of(sums.compute());
    this.precision = weight.precision();
  }

  /**
   * Where gradients of the table of tokens go, if the weight is tied.
   *
   * @param direction the number in the pass of the first direction that is added
   * @param lookedUp by direction that is added, the rows of the table that its example looks up
   * @param rows receives these rows' gradients
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  record Target(int direction, int[][] lookedUp, RowGradients rows) {}

  /**
   * Adds one direction for each example: the gradient of factor · Σ over its rows of log p(token).
   *
   * @param starts by example, its first row; then the number of rows
   * @param tokens one for each row
   * @return the rows' gradients, (rows, width), in an array of its own
   */
  NDArray ofTokens(Softmax softmax, int[] starts, int[] tokens, float factor, Target target) {
    NDArray rows = softmax.rows();
    NDArray gradient = rows.zerosLike();
    softmax.forEachBlock(
        -factor,
        (first, d, block) -> {
          columns.add(d, Arrays.stream(tokens).map(token -> token - first).toArray(), factor);
          gradient.addi(precision.product(d, block));
          addSquares(first, d, rows, starts, target);
        });
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
          addSquares(0, d, row, new int[] {0, 1}, target);
          return gradient;
        });
  }

  /** Overwrites d. */
  private void addSquares(int first, NDArray d, NDArray rows, int[] starts, Target target) {
    if (!weight.estimated()) {
      return;
    }
    if (tied) {
      for (int i = 0; i + 1 < starts.length; i++) {
        NDIndex own = NDIndex.sliceAxis(0, starts[i], starts[i + 1]);
        moveLookedUp(first, d.get(own), rows.get(own), target, i);
      }
    }
    sums.dense(weight).addSquaredProducts(first, d, rows, starts);
  }

  /** Moves the columns of looked-up tokens from one direction's d to the table's rows. */
  private void moveLookedUp(int first, NDArray d, NDArray rows, Target target, int added) {
    int end = first + Math.toIntExact(d.getShape().get(1));
    List<Integer> tokens =
        Arrays.stream(target.lookedUp[added])
            .distinct()
            .filter(token -> token >= first && token < end)
            .boxed()
            .toList();
    if (tokens.isEmpty()) {
      return;
    }
    NDArray moved = columns.take(d, tokens.stream().map(token -> token - first).toList());
    target.rows.add(target.direction + added, tokens, precision.product(moved, rows));
  }
}
