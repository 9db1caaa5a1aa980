package io.fisherstreams.fisher;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.VectorUnit;
import java.nio.ByteBuffer;
import java.util.Arrays;

/**
 * The Fisher-weighted merge of one run of elements, element by element in float64:
 *
 * <pre>
 * θ[j] = Σ_m c_m W_m[j] θ_m[j] / Σ_m c_m W_m[j],   W_m[j] = F_m[j] + ε,   F_m[j] = S_m[j] / n_m
 * </pre>
 *
 * <p>Models are added one after another, in the order of their names, so that the rounding of the
 * sums is always the same. When no model gives an entry any weight (ε = 0 and every Fisher 0), the
 * formula is 0/0; the entry then becomes the limit for ε → 0, {@code Σ c_m θ_m / Σ c_m}, and is
 * counted. Formula: Matena and Raffel, "Merging Models with Fisher-Weighted Averaging" (2022), with
 * ε added to every entry as the FusionBench implementation does. Not thread-safe.
 */
public final class FisherMerge {
  private final double[] numerator;
  private final double[] denominator;
  private final double[] average;
  private final double[] parameters;
  private final double[] entries;
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
    parameters = new double[capacity];
    entries = new double[capacity];
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
   * One model's part in a run, as little-endian bytes that begin at the first byte of each buffer.
   *
   * @param type the dtype of {@code theta}, a {@linkplain DType#mergeable() mergeable} one
   * @param theta its parameters θ_m
   * @param fisher the payload S_m of its diagonal Fisher, F32
   * @param divisor n_m, by which the payload is divided
   * @param weight c_m, at least 0
   */
  public record Term(
      DType type, ByteBuffer theta, ByteBuffer fisher, double divisor, double weight) {
    /** The factor of an entry S_m in c_m W_m. */
    double scale() {
      return weight / divisor;
    }

    /** The part of ε in c_m W_m. */
    double bias(double epsilon) {
      return weight * epsilon;
    }
  }

  /** Adds one model. */
  public void add(Term term) {
    int first =
        isVectorized() ? VectorSums.add(numerator, denominator, term, epsilon, elements) : 0;
    addPlain(first, term);
    if (epsilon == 0) {
      weights += term.weight();
      for (int j = 0; j < elements; j++) {
        average[j] += term.weight() * parameters[j];
      }
    }
  }

  /**
   * Adds one model and then another. When both are read at once, this takes little more time than
   * one.
   */
  public void add(Term term, Term next) {
    if (isVectorized() && term.type() == next.type()) {
      int first = VectorSums.add(numerator, denominator, term, next, epsilon, elements);
      addPlain(first, term);
      addPlain(first, next);
    } else {
      add(term);
      add(next);
    }
  }

  private boolean isVectorized() {
    return VectorUnit.IS_USABLE && epsilon != 0;
  }

  /** Adds the entries from {@code first} on to the sums Σ cWθ and Σ cW. */
  private void addPlain(int first, Term term) {
    int rest = elements - first;
    DType type = term.type();
    double scale = term.scale();
    double bias = term.bias(epsilon);
    FloatCodec.toDouble(type, term.theta(), first * type.bytes(), parameters, first, rest);
    FloatCodec.toDouble(DType.F32, term.fisher(), first * Float.BYTES, entries, first, rest);
    for (int j = first; j < elements; j++) {
      double w = entries[j] * scale + bias;
      numerator[j] += w * parameters[j];
      denominator[j] += w;
    }
  }

  /**
   * Writes the merged run.
   *
   * @param merged receives θ
   * @return how many entries got no weight from any model
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
