package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import java.util.List;

/**
 * Gradients of a table's rows in one backward pass, by direction. Different uses of one table, such
 * as encoder, decoder and a tied head, are added here before anything is squared.
 */
interface RowGradients {

  /**
   * No gradient yet.
   *
   * @param lookedUp for each example, at least the table's rows that get gradients
   * @param width elements of a row
   */
  static RowGradients of(Backward backward, int[][] lookedUp, int width) {
    return backward.compute().fused()
        ? new HostRowGradients(backward.directions(), width)
        : new DeviceRowGradients(backward, lookedUp, width);
  }

  /**
   * Adds the gradients of looked-up rows. Positions outside {@link Backward#ranges} have none.
   *
   * @param gradients (directions, positions, width)
   * @param lookedUp for each example, the table's row by position
   */
  void add(NDArray gradients, int[][] lookedUp, Backward backward);

  /**
   * Adds the gradients of some rows in one direction.
   *
   * @param rows distinct
   * @param gradients (rows, width)
   */
  void add(int direction, List<Integer> rows, NDArray gradients);

  /** Adds the squares of each direction's gradients, or those of their sum. */
  void addSquares(LoadedParameter table, Squaring squaring, SquaredSums sums);
}
