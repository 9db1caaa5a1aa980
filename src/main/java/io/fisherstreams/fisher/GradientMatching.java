package io.fisherstreams.fisher;

/**
 * The method {@code gradient_matching}: the base plus the models' differences from it, each
 * weighted with its Fisher plus a prior.
 *
 * <pre>
 * θ = θ₀ + s Σ_m λ_m (δ + G_m) τ_m / (δ + Σ_m λ_m G_m),   τ_m = θ_m − θ₀,   G_m = F_m / μ_m
 * </pre>
 *
 * <p>with the mean μ_m of the model's Fisher. Towards δ = 0 it is the Fisher average, towards δ = ∞
 * task arithmetic. Source: Daheim et al., "Model Merging by Uncertainty-Based Gradient Matching"
 * (2024); there the Fishers are multiplied by the size of the data set, here by 1 / μ_m.
 *
 * @param scale s, at least 0
 * @param prior δ, above 0, in units of a model's mean Fisher
 */
public record GradientMatching(double scale, double prior) implements MergeFormula {
  /** The name that users choose the method by. */
  public static final String NAME = "gradient_matching";

  /** δ, unless the user says otherwise. */
  public static final double DEFAULT_PRIOR = 0.3;

  private static final double DEFAULT_COEFFICIENT = 0.6;

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean readsFishers() {
    return true;
  }

  @Override
  public boolean readsBase() {
    return true;
  }

  @Override
  public double defaultCoefficient(int models) {
    return DEFAULT_COEFFICIENT;
  }

  @Override
  public boolean acceptsNegativeCoefficients() {
    return false;
  }

  @Override
  public String constantName() {
    return "prior";
  }

  @Override
  public double constant() {
    return prior;
  }

  @Override
  public Factors factors(Model model) {
    return new Factors(model.coefficient(), FisherAverage.mean(model));
  }

  @Override
  public Mass mass(Factors factors, double total, long elements) {
    return new Mass(factors.weight() * total / factors.unit(), factors.weight() * prior * elements);
  }

  @Override
  public MergeSums sums(MergeKernel.Factory kernels, int capacity) {
    return new Sums(kernels.create(capacity, 2), this);
  }

  @Override
  public String text() {
    return "θ = θ₀ + " + (scale == 1 ? "" : "s ") + "Σ λ (δ + F / μ) (θ_m − θ₀) / (δ + Σ λ F / μ)";
  }

  /** The sums Σλ(δ + G)τ and ΣλG. */
  private static final class Sums implements MergeSums {
    private final GradientMatching formula;
    private final MergeKernel kernel;
    private double[] base;
    private int elements;

    Sums(MergeKernel kernel, GradientMatching formula) {
      this.formula = formula;
      this.kernel = kernel;
    }

    @Override
    public void begin(int elements, double[] base) {
      this.elements = elements;
      this.base = base;
      kernel.begin(elements, base);
    }

    @Override
    public void add(Term term) {
      kernel.addMatched(term, formula.prior);
    }

    @Override
    public double[][] totals() {
      return kernel.totals();
    }

    @Override
    public boolean isAtLeast(double least) {
      if (formula.prior >= least) {
        return true;
      }
      double[] denominator = kernel.totals()[1];
      for (int j = 0; j < elements; j++) {
        if (denominator[j] + formula.prior < least) {
          return false;
        }
      }
      return true;
    }

    @Override
    public int finish(double[] merged) {
      double[][] sums = kernel.totals();
      double[] numerator = sums[0];
      double[] denominator = sums[1];
      for (int j = 0; j < elements; j++) {
        merged[j] = base[j] + formula.scale * (numerator[j] / (denominator[j] + formula.prior));
      }
      if (formula.scale == 0) {
        MergeSums.scale(0, base, merged, elements);
      }
      return 0;
    }

    @Override
    public void close() {
      kernel.close();
    }
  }
}
