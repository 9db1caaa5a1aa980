package io.fisherstreams.fisher;

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
  private final MergeKernel kernel;
  private final boolean mayBeUnweighted;
  private double[] base = {};
  private double weights;
  private int elements;

  /**
   * Sums of the average that is not normalised, with s = 1 and γ = 1, computed in Java.
   *
   * @param capacity the most elements of one run
   * @param epsilon ε, at least 0
   */
  public FisherMerge(int capacity, double epsilon) {
    this(MergeKernel.java(), capacity, FisherAverage.of(epsilon, false));
  }

  /** Sums of any Fisher average, as {@link MergeFormula#sums} makes them. */
  FisherMerge(MergeKernel.Factory kernels, int capacity, FisherAverage formula) {
    this.formula = formula;
    // A power of a small number may be 0 although the number is not.
    mayBeUnweighted = formula.constant() == 0 || formula.exponent() != 1;
    kernel = kernels.create(capacity, mayBeUnweighted ? 3 : 2);
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
    kernel.begin(elements, base);
  }

  @Override
  public void add(Term term) {
    if (formula.exponent() == 1) {
      kernel.addWeighted(term, formula.constant());
    } else {
      kernel.addPowered(
          term, 1 / (term.divisor() * term.unit()), formula.bias(term.unit()), formula.exponent());
    }
    if (mayBeUnweighted) {
      weights += term.weight();
      kernel.addAverage(term);
    }
  }

  /** When both models are read at once, this takes little more time than one. */
  @Override
  public void add(Term term, Term next) {
    if (mayBeUnweighted) {
      add(term);
      add(next);
    } else {
      kernel.addWeighted(term, next, formula.constant());
    }
  }

  @Override
  public double[][] totals() {
    return kernel.totals();
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
    double[] denominator = kernel.totals()[1];
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
    double[][] sums = kernel.totals();
    double[] numerator = sums[0];
    double[] denominator = sums[1];
    int unweighted = 0;
    for (int j = 0; j < elements; j++) {
      merged[j] = numerator[j] / denominator[j];
    }
    if (mayBeUnweighted) {
      double[] average = sums[2];
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

  @Override
  public void close() {
    kernel.close();
  }
}
