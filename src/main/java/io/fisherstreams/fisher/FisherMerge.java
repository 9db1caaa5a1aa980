package io.fisherstreams.fisher;

import io.fisherstreams.checkpoint.VectorUnit;
import java.util.Arrays;

/**
 * The Fisher-weighted merge of one run of elements, element by element in float64:
 *
 * <pre>
 * θ[j] = Σ_m c_m W_m[j] θ_m[j] / Σ_m c_m W_m[j],   W_m[j] = F_m[j] + ε,   F_m[j] = S_m[j] / n_m
 * </pre>
 *
 * <p>Models are added one after another, in the order of their names, so that the rounding of the
 * sums is always the same. Where no model gives an entry any weight (ε = 0 and every Fisher 0) the
 * formula is 0/0; such an entry takes the limit for a vanishing ε, {@code Σ c_m θ_m / Σ c_m}, and
 * is counted. Formula: Matena and Raffel, "Merging Models with Fisher-Weighted Averaging" (2022),
 * with ε added to every entry as the FusionBench implementation does. Not thread-safe; allocates
 * nothing after construction.
 */
public final class FisherMerge {
  private final double[] numerator;
  private final double[] denominator;
  private final double[] average;
  private final double epsilon;
  private double weights;
  private int elements;

  /**
   * @param capacity the most elements of one run
   * @param epsilon ε, at least 0
   */
  public FisherMerge(int capacity, double epsilon) {
    numerator = new double[capacity];
    denominator = new double[capacity];
    average = epsilon == 0 ? new double[capacity] : new double[0];
    this.epsilon = epsilon;
  }

  /** Begins a run of {@code elements} elements. */
  public void begin(int elements) {
    this.elements = elements;
    weights = 0;
    Arrays.fill(numerator, 0, elements, 0);
    Arrays.fill(denominator, 0, elements, 0);
    Arrays.fill(average, 0, Math.min(elements, average.length), 0);
  }

  /**
   * Adds one model. Widening θ and F here, and not in a pass before, halves what goes through the
   * cache.
   *
   * @param theta its parameters θ_m
   * @param fisher the payload S_m of its diagonal Fisher
   * @param divisor n_m, what the payload is divided by
   * @param weight c_m, at least 0
   */
  public void add(float[] theta, float[] fisher, double divisor, double weight) {
    double scale = weight / divisor;
    double bias = weight * epsilon;
    if (VectorUnit.IS_USABLE) {
      VectorSums.add(numerator, denominator, theta, fisher, scale, bias, elements);
    } else {
      add(numerator, denominator, theta, fisher, scale, bias, 0, elements);
    }
    if (epsilon == 0) {
      weights += weight;
      for (int j = 0; j < elements; j++) {
        average[j] += weight * theta[j];
      }
    }
  }

  /** Adds entries {@code from} to {@code to} of one model to the sums Σ cWθ and Σ cW. */
  static void add(
      double[] upper,
      double[] lower,
      float[] theta,
      float[] fisher,
      double scale,
      double bias,
      int from,
      int to) {
    for (int j = from; j < to; j++) {
      double w = fisher[j] * scale + bias;
      upper[j] += w * theta[j];
      lower[j] += w;
    }
  }

  /**
   * Adds one model whose parameters are float64; otherwise as {@link #add(float[], float[], double,
   * double)}.
   */
  public void add(double[] theta, float[] fisher, double divisor, double weight) {
    double scale = weight / divisor;
    double bias = weight * epsilon;
    for (int j = 0; j < elements; j++) {
      double w = fisher[j] * scale + bias;
      numerator[j] += w * theta[j];
      denominator[j] += w;
    }
    if (epsilon == 0) {
      weights += weight;
      for (int j = 0; j < elements; j++) {
        average[j] += weight * theta[j];
      }
    }
  }

  /**
   * Writes the merged run and returns how many of its entries no model gave a weight.
   *
   * @param merged receives θ
   */
  public int finish(double[] merged) {
    int unweighted = 0;
    for (int j = 0; j < elements; j++) {
      merged[j] = numerator[j] / denominator[j];
    }
    if (epsilon == 0) {
      for (int j = 0; j < elements; j++) {
        if (denominator[j] == 0) {
          merged[j] = average[j] / weights;
          unweighted++;
        }
      }
    }
    return unweighted;
  }
}
