package io.fisherstreams.fisher;

import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.util.Arrays;

/** The reference: plain loops, which every other kernel must agree with bit by bit. */
public class PlainKernel implements MergeKernel {
  private final double[][] sums;
  private final double[] parameters;
  private final double[] entries;
  private double[] base = {};
  private Term widened;
  private int elements;

  /** A kernel, as {@link MergeKernel.Factory#create} makes it. */
  public PlainKernel(int capacity, int sums) {
    this.sums = new double[sums][capacity];
    parameters = new double[capacity];
    entries = new double[capacity];
  }

  @Override
  public final void begin(int elements, double[] base) {
    this.elements = elements;
    this.base = base;
    widened = null;
    for (double[] sum : sums) {
      Arrays.fill(sum, 0, elements, 0);
    }
  }

  final int elements() {
    return elements;
  }

  final double[] base() {
    return base;
  }

  @Override
  public void addWeighted(Term term, double constant) {
    addWeighted(0, term, constant);
  }

  /** Adds the entries from {@code first} on. */
  final void addWeighted(int first, Term term, double constant) {
    read(first, term);
    double scale = term.scale();
    double bias = term.bias(constant);
    for (int j = first; j < elements; j++) {
      entries[j] = entries[j] * scale + bias;
    }
    addEntries(first);
  }

  @Override
  public void addPowered(Term term, double scale, double bias, double exponent) {
    read(0, term);
    for (int j = 0; j < elements; j++) {
      entries[j] = entries[j] * scale + bias;
    }
    raise(entries, elements, exponent);
    double weight = term.weight();
    for (int j = 0; j < elements; j++) {
      entries[j] = weight * entries[j];
    }
    addEntries(0);
  }

  /**
   * Replaces the first entries by their power.
   *
   * @param exponent at least 0
   */
  public static void raise(double[] entries, int elements, double exponent) {
    if (exponent == 0.5) { // the compiler makes vectors of this loop
      for (int j = 0; j < elements; j++) {
        entries[j] = Math.sqrt(entries[j]);
      }
    } else {
      for (int j = 0; j < elements; j++) {
        entries[j] = FisherAverage.power(entries[j], exponent);
      }
    }
  }

  private void addEntries(int first) {
    double[] numerator = sums[0];
    double[] denominator = sums[1];
    for (int j = first; j < elements; j++) {
      numerator[j] += entries[j] * parameters[j];
      denominator[j] += entries[j];
    }
  }

  /** Mostly the same term was just added to the other sums, and its parameters are still there. */
  @Override
  @SuppressWarnings("ReferenceEquality")
  public final void addAverage(Term term) {
    if (widened != term) {
      readParameters(0, term);
    }
    double[] average = sums[2];
    double weight = term.weight();
    for (int j = 0; j < elements; j++) {
      average[j] += weight * parameters[j];
    }
  }

  @Override
  public void addMatched(Term term, double prior) {
    addMatched(0, term, prior);
  }

  /** Adds the entries from {@code first} on. */
  final void addMatched(int first, Term term, double prior) {
    read(first, term);
    double[] numerator = sums[0];
    double[] denominator = sums[1];
    double scale = term.scale();
    double bias = term.bias(prior);
    for (int j = first; j < elements; j++) {
      double g = entries[j] * scale;
      numerator[j] += (g + bias) * (parameters[j] - base[j]);
      denominator[j] += g;
    }
  }

  @Override
  public void addDifference(Term term) {
    addDifference(0, term);
  }

  /** Adds the entries from {@code first} on. */
  final void addDifference(int first, Term term) {
    readParameters(first, term);
    double[] sum = sums[0];
    double weight = term.weight();
    for (int j = first; j < elements; j++) {
      sum[j] += (parameters[j] - base[j]) * weight;
    }
  }

  private void read(int first, Term term) {
    readParameters(first, term);
    FloatCodec.toDouble(
        DType.F32, term.fisher(), first * Float.BYTES, entries, first, elements - first);
  }

  private void readParameters(int first, Term term) {
    DType type = term.type();
    FloatCodec.toDouble(
        type, term.theta(), first * type.bytes(), parameters, first, elements - first);
    widened = first == 0 ? term : null;
  }

  @Override
  public final double[][] totals() {
    return sums;
  }
}
