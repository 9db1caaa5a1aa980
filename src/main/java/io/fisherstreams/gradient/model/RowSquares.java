package io.fisherstreams.gradient.model;

import io.fisherstreams.gradient.model.SquaredSums.SparseRun;
import java.util.Arrays;
import java.util.Map;
import java.util.TreeMap;

/**
 * Σ over examples of the squared gradients of one embedding table, in float64. Only rows that an
 * example touched have sums; the table never becomes dense.
 */
final class RowSquares {
  private final int columns;
  private final TreeMap<Integer, double[]> sums = new TreeMap<>();

  RowSquares(int columns) {
    this.columns = columns;
  }

  /** Adds the squares of one row's gradient. */
  void addSquares(int row, float[] gradient) {
    double[] sum = sums.computeIfAbsent(row, unused -> new double[columns]);
    for (int i = 0; i < columns; i++) {
      double g = gradient[i];
      sum[i] += g * g;
    }
  }

  void clear() {
    sums.clear();
  }

  void copy(long firstElement, float[] target, int offset, int elements) {
    Arrays.fill(target, offset, offset + elements, 0f);
    SparseRun run = run(firstElement, elements);
    for (int i = 0; i < run.indices().length; i++) {
      target[offset + run.indices()[i]] = run.values()[i];
    }
  }

  SparseRun run(long firstElement, int elements) {
    long end = firstElement + elements;
    int firstRow = Math.toIntExact(firstElement / columns);
    int endRow = Math.toIntExact((end + columns - 1) / columns);
    int found = 0;
    Map<Integer, double[]> touched = sums.subMap(firstRow, endRow);
    int[] indices = new int[Math.min(elements, touched.size() * columns)];
    float[] values = new float[indices.length];
    for (Map.Entry<Integer, double[]> row : touched.entrySet()) {
      long rowStart = (long) row.getKey() * columns;
      int from = (int) Math.max(0, firstElement - rowStart);
      int to = (int) Math.min(columns, end - rowStart);
      for (int i = from; i < to; i++) {
        float value = (float) row.getValue()[i];
        if (value != 0) {
          indices[found] = (int) (rowStart + i - firstElement);
          values[found++] = value;
        }
      }
    }
    return new SparseRun(Arrays.copyOf(indices, found), Arrays.copyOf(values, found));
  }
}
