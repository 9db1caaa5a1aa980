package io.fisherstreams.fisher;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.VectorUnit;
import java.util.Arrays;

/**
 * The sums of a {@link FisherAverage}, element by element in float64:
 *
 * <pre>
 * θ[j] = Σ_m W_m[j] θ_m[j] / Σ_m W_m[j],   W_m[j] = c_m (F_m[j] / u_m + b_m)^γ,   F_m[j] = S_m[j] / n_m
 * </pre>
 *
 * <p>When no model gives an entry any weight (ε = 0 and every Fisher 0), the formula is 0/0; the
 * entry then becomes the limit for ε → 0, {@code Σ c_m θ_m / Σ c_m}, and is counted. Not
 * thread-safe.
 */
public final class FisherMerge implements MergeSums {
  private final FisherAverage formula;
  private final double[] numerator;
  private final double[] denominator;
  private final double[] average;
  private final double[] parameters;
  private final double[] entries;
  private final boolean mayBeUnweighted;
  private double[] base = {};
  private double weights;
  private int elements;

  /**
   * Sums of the average that is not normalised, with s = 1 and γ = 1.
   *
   * @param capacity the most elements of one run
   * @param epsilon ε, at least 0
   */
  public FisherMerge(int capacity, double epsilon) {
    this(capacity, FisherAverage.of(epsilon, false));
  }

  /**
   * Sums of any Fisher average.
   *
   * @param capacity the most elements of one run
   */
  FisherMerge(int capacity, FisherAverage formula) {
    this.formula = formula;
    // A power of a small number may be 0 although the number is not.
    mayBeUnweighted = formula.constant() == 0 || formula.exponent() != 1;
    numerator = new double[capacity];
    denominator = new double[capacity];
    average = mayBeUnweighted ? new double[capacity] : new double[0];
    parameters = new double[capacity];
    entries = new double[capacity];
  }

  /** Begins a run of a formula that does not read the base. */
  public void begin(int elements) {
    begin(elements, base);
  }

  @Override
  public void begin(int elements, double[] base) {
    this.elements = elements;
    this.base = base;
    weights = 0;
    Arrays.fill(numerator, 0, elements, 0);
    Arrays.fill(denominator, 0, elements, 0);
    Arrays.fill(average, 0, Math.min(elements, average.length), 0);
  }

  @Override
  public void add(Term term) {
    int first =
        isVectorized()
            ? VectorSums.add(numerator, denominator, term, formula.constant(), elements)
            : 0;
    addPlain(first, term);
    if (mayBeUnweighted) {
      weights += term.weight();
      for (int j = 0; j < elements; j++) {
        average[j] += term.weight() * parameters[j];
      }
    }
  }

  /** When both models are read at once, this takes little more time than one. */
  @Override
  public void add(Term term, Term next) {
    if (isVectorized() && term.type() == next.type()) {
      int first = VectorSums.add(numerator, denominator, term, next, formula.constant(), elements);
      addPlain(first, term);
      addPlain(first, next);
    } else {
      add(term);
      add(next);
    }
  }

  private boolean isVectorized() {
    return VectorUnit.IS_USABLE && !mayBeUnweighted;
  }

  /** Adds the entries from {@code first} on to the sums ΣWθ and ΣW. */
  private void addPlain(int first, Term term) {
    int rest = elements - first;
    DType type = term.type();
    FloatCodec.toDouble(type, term.theta(), first * type.bytes(), parameters, first, rest);
    FloatCodec.toDouble(DType.F32, term.fisher(), first * Float.BYTES, entries, first, rest);
    if (formula.exponent() == 1) {
      toWeights(first, term.scale(), term.bias(formula.constant()));
    } else {
      toWeights(first, 1 / (term.divisor() * term.unit()), formula.bias(term.unit()));
      toPowers(first, term.weight());
    }
    for (int j = first; j < elements; j++) {
      numerator[j] += entries[j] * parameters[j];
      denominator[j] += entries[j];
    }
  }

  private void toWeights(int first, double scale, double bias) {
    for (int j = first; j < elements; j++) {
      entries[j] = entries[j] * scale + bias;
    }
  }

  private void toPowers(int first, double weight) {
    double exponent = formula.exponent();
    if (exponent == 0.5) { // the compiler makes vectors of this loop
      for (int j = first; j < elements; j++) {
        entries[j] = weight * Math.sqrt(entries[j]);
      }
    } else {
      for (int j = first; j < elements; j++) {
        entries[j] = weight * FisherAverage.power(entries[j], exponent);
      }
    }
  }

  @Override
  public double[][] totals() {
    return mayBeUnweighted
        ? new double[][] {numerator, denominator, average}
        : new double[][] {numerator, denominator};
  }

  @Override
  public void weights(double sum) {
    weights = sum;
  }

  @Override
  public boolean mayBeUnweighted() {
    return mayBeUnweighted;
  }

  @Override
  public boolean isAtLeast(double least) {
    boolean isUnweighted = false;
    for (int j = 0; j < elements; j++) {
      if (denominator[j] < least) {
        isUnweighted = true;
        if (!mayBeUnweighted || denominator[j] != 0) {
          return false;
        }
      }
    }
    return !isUnweighted || weights >= least;
  }

  @Override
  public int finish(double[] merged) {
    int unweighted = 0;
    for (int j = 0; j < elements; j++) {
      merged[j] = numerator[j] / denominator[j];
    }
    if (mayBeUnweighted) {
      for (int j = 0; j < elements; j++) {
        if (denominator[j] == 0) {
          merged[j] = average[j] / weights;
          unweighted++;
        }
      }
    }
    MergeSums.scale(formula.scale(), base, merged, elements);
    return unweighted;
  }
}
