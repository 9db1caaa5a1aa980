package io.fisherstreams.fisher;

import java.util.Arrays;

/**
 * The arithmetic mean of models over one run of elements, summed in float64. Fisher merging is
 * compared with it. Not thread-safe; allocates nothing after construction.
 */
public final class PlainAverage {
  private final double[] sum;
  private int elements;
  private int models;

  /**
   * @param capacity the most elements of one run
   */
  public PlainAverage(int capacity) {
    sum = new double[capacity];
  }

  /** Begins a run of {@code elements} elements. */
  public void begin(int elements) {
    this.elements = elements;
    models = 0;
    Arrays.fill(sum, 0, elements, 0);
  }

  /** Adds one model's run of parameters. */
  public void add(double[] theta) {
    for (int j = 0; j < elements; j++) {
      sum[j] += theta[j];
    }
    models++;
  }

  /** Adds one model's run of float32 parameters. */
  public void add(float[] theta) {
    for (int j = 0; j < elements; j++) {
      sum[j] += theta[j];
    }
    models++;
  }

  /**
   * Writes the mean of at least one model.
   *
   * @param mean receives θ
   */
  public void finish(double[] mean) {
    for (int j = 0; j < elements; j++) {
      mean[j] = sum[j] / models;
    }
  }
}
