package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.model.Cotangents.Squaring;

/**
 * One backward pass through a network: the example of each direction, and the sums that receive the
 * squares. Arrays of output gradients have directions first, arrays of activations examples first;
 * both have three dimensions, the middle one rows (tokens, patches).
 */
final class Backward {
  private final NDManager manager;
  private final int[] examples;
  private final Squaring squaring;
  private final SquaredSums sums;
  private final RowRanges ranges;
  private final NDArray gather;

  /**
   * The rows of each example that can have a gradient.
   *
   * @param from first row, by example
   * @param to one past the last row, by example
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  record RowRanges(int[] from, int[] to) {}

  /**
   * A backward pass along some directions.
   *
   * @param scope owns the arrays that this object allocates
   * @param batch number of examples of the forward pass
   */
  Backward(NDManager scope, int batch, Cotangents directions, RowRanges ranges, SquaredSums sums) {
    this.manager = scope;
    this.examples = directions.examples();
    this.squaring = directions.squaring();
    this.ranges = ranges;
    this.sums = sums;
    this.gather = inOrder(examples, batch) ? null : scope.create(examples);
  }

  private Backward(Backward other, RowRanges ranges) {
    this.manager = other.manager;
    this.examples = other.examples;
    this.squaring = other.squaring;
    this.gather = other.gather;
    this.sums = other.sums;
    this.ranges = ranges;
  }

  /** The same directions over other rows: those of an encoder. */
  Backward with(RowRanges others) {
    return new Backward(this, others);
  }

  private static boolean inOrder(int[] examples, int batch) {
    if (examples.length != batch) {
      return false;
    }
    for (int i = 0; i < batch; i++) {
      if (examples[i] != i) {
        return false;
      }
    }
    return true;
  }

  /** Where the pass runs. */
  Compute compute() {
    return sums.compute();
  }

  /** Owns what is kept until the pass ends. */
  NDManager manager() {
    return manager;
  }

  int directions() {
    return examples.length;
  }

  /** The example of a direction. */
  int example(int direction) {
    return examples[direction];
  }

  RowRanges ranges() {
    return ranges;
  }

  /** Activations by direction instead of by example; the given array itself when both are equal. */
  NDArray byDirection(NDArray activations) {
    return gather == null ? activations : activations.get(new NDIndex("{}", gather));
  }

  /**
   * Adds the squares of a matrix parameter's gradients leftᵀ·right.
   *
   * @param left (directions or examples, rows, parameter's first dimension)
   * @param right (directions or examples, rows, parameter's other dimensions)
   * @param leftIsActivation whether left is by example and right by direction, or the other way
   *     round
   */
  void addMatrixSquares(
      LoadedParameter parameter, NDArray left, NDArray right, boolean leftIsActivation) {
    if (!parameter.estimated()) {
      return;
    }
    DenseSquares sum = sums.dense(parameter);
    int rows = Math.toIntExact(left.getShape().get(1));
    if (squaring == Squaring.TOTAL || rows == 1) {
      NDArray flatLeft = flat(leftIsActivation ? byDirection(left) : left);
      NDArray flatRight = flat(leftIsActivation ? right : byDirection(right));
      if (squaring == Squaring.TOTAL) {
        sum.addSquaredProduct(flatLeft, flatRight);
      } else {
        sum.addProduct(flatLeft.square(), flatRight.square());
      }
      return;
    }
    sum.addSquaredProducts(left, right, leftIsActivation, this);
  }

  /**
   * Adds the squares of a vector parameter's gradients, which are sums over rows.
   *
   * @param gradients (directions, rows, elements)
   */
  void addRowSumSquares(LoadedParameter parameter, NDArray gradients) {
    if (parameter.estimated()) {
      addSquares(parameter, gradients.sum(new int[] {1}));
    }
  }

  /**
   * Adds the squares of gradients.
   *
   * @param gradients directions first; the other dimensions have the parameter's elements
   */
  void addSquares(LoadedParameter parameter, NDArray gradients) {
    if (parameter.estimated()) {
      sums.dense(parameter)
          .addSquares(squaring == Squaring.TOTAL ? gradients.sum(new int[] {0}, true) : gradients);
    }
  }

  /**
   * Adds the squares of an embedding table's gradients: in each direction, the sum over the
   * positions that looked up the same row.
   *
   * @param gradients (directions, positions, width)
   * @param lookedUp for each example, the table's row by position
   */
  void addEmbeddingSquares(LoadedParameter table, NDArray gradients, int[][] lookedUp) {
    if (!table.estimated()) {
      return;
    }
    int width = Math.toIntExact(gradients.getShape().get(2));
    RowGradients rows = RowGradients.of(this, lookedUp, width);
    rows.add(gradients, lookedUp, this);
    addRowSquares(table, rows);
  }

  /**
   * Adds the squares of a table's gradients, each direction's or those of their sum.
   *
   * @param rows all gradients of the table along this pass's directions
   */
  void addRowSquares(LoadedParameter table, RowGradients rows) {
    if (table.estimated()) {
      rows.addSquares(table, squaring, sums);
    }
  }

  private static NDArray flat(NDArray array) {
    return array.reshape(-1, array.getShape().get(2));
  }
}
