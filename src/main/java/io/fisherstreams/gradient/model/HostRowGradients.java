package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** Row gradients in the host's memory, without the rows that nobody looked up. */
final class HostRowGradients implements RowGradients {
  private final int width;
  private final List<Map<Integer, float[]>> byDirection = new ArrayList<>();

  HostRowGradients(int directions, int width) {
    this.width = width;
    for (int i = 0; i < directions; i++) {
      byDirection.add(new HashMap<>());
    }
  }

  @Override
  public void add(NDArray gradients, int[][] lookedUp, Backward backward) {
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

  @Override
  public void add(int direction, List<Integer> rows, NDArray gradients) {
    float[] values = gradients.toFloatArray();
    for (int i = 0; i < rows.size(); i++) {
      add(direction, rows.get(i), values, i * width);
    }
  }

  private void add(int direction, int row, float[] values, int offset) {
    float[] sum = byDirection.get(direction).computeIfAbsent(row, unused -> new float[width]);
    for (int j = 0; j < width; j++) {
      sum[j] += values[offset + j];
    }
  }

  @Override
  public void addSquares(LoadedParameter table, Squaring squaring, SquaredSums sums) {
    if (squaring == Squaring.EACH) {
      byDirection.forEach(direction -> sums.addRowSquares(table, direction));
      return;
    }
    Map<Integer, float[]> total = new HashMap<>();
    for (Map<Integer, float[]> direction : byDirection) {
      direction.forEach((row, gradient) -> total.merge(row, gradient, HostRowGradients::sum));
    }
    sums.addRowSquares(table, total);
  }

  private static float[] sum(float[] a, float[] b) {
    float[] sum = a.clone();
    for (int i = 0; i < sum.length; i++) {
      sum[i] += b[i];
    }
    return sum;
  }
}
