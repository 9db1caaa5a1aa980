package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * Gradients of a table's rows in one backward pass, by direction. Different uses of one table, such
 * as encoder, decoder and a tied head, are added here before anything is squared.
 */
final class RowGradients {
  private final int width;
  private final List<Map<Integer, float[]>> byDirection = new ArrayList<>();

  /**
   * No gradient yet.
   *
   * @param width elements of a row
   */
  RowGradients(int directions, int width) {
    this.width = width;
    for (int i = 0; i < directions; i++) {
      byDirection.add(new HashMap<>());
    }
  }

  /**
   * Adds the gradients of looked-up rows.
   *
   * @param gradients (directions, positions, width)
   * @param lookedUp for each example, the table's row by position
   */
  void add(NDArray gradients, int[][] lookedUp, Backward backward) {
    int positions = Math.toIntExact(gradients.getShape().get(1));
    float[] values = gradients.toFloatArray();
    for (int direction = 0; direction < byDirection.size(); direction++) {
      int example = backward.example(direction);
      int to = Math.min(backward.ranges().to()[example], positions);
      for (int i = backward.ranges().from()[example]; i < to; i++) {
        add(direction, lookedUp[example][i], values, (direction * positions + i) * width);
      }
    }
  }

  /** Adds the gradient of one row, which begins at an offset. */
  void add(int direction, int row, float[] values, int offset) {
    float[] sum = byDirection.get(direction).computeIfAbsent(row, unused -> new float[width]);
    for (int j = 0; j < width; j++) {
      sum[j] += values[offset + j];
    }
  }

  /** By direction, the gradients by row. */
  List<Map<Integer, float[]>> byDirection() {
    return byDirection;
  }
}
