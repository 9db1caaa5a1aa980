package io.fisherstreams.fisher;

import java.util.Collection;

/**
 * The method {@code fisher}: an average of the models, weighted entry by entry with their Fishers,
 * from which the base's distance may be scaled.
 *
 * <pre>
 * θ = θ₀ + s (θ_W − θ₀),   θ_W = Σ_m W_m θ_m / Σ_m W_m,   W_m = λ_m ((F_m + ε) / u_m)^γ
 * </pre>
 *
 * <p>with u_m = 1, or N_m + ε when normalised; or {@code W_m = λ_m (F_m / μ_m + r)^γ} with the mean
 * μ_m of the Fisher. Source: Matena and Raffel, "Merging Models with Fisher-Weighted Averaging"
 * (2022).
 *
 * @param scale s, at least 0
 * @param exponent γ, at least 0; 0 gives the plain average
 * @param unit what a Fisher is measured in
 * @param constant ε, at least 0; with the unit {@link Unit#MEAN} r, above 0
 */
public record FisherAverage(double scale, double exponent, Unit unit, double constant)
    implements MergeFormula {
  /** The name that users choose the method by. */
  public static final String NAME = "fisher";

  /** What a Fisher is measured in. */
  public enum Unit {
    /** Nothing: its entries count as they are. */
    ONE,
    /** Its norm plus ε. */
    NORM,
    /** Its mean. */
    MEAN
  }

  /** The average with s = 1 and γ = 1. */
  public static FisherAverage of(double epsilon, boolean normalize) {
    return new FisherAverage(1, 1, normalize ? Unit.NORM : Unit.ONE, epsilon);
  }

  /** Whether a model whose Fisher is zero everywhere cannot be merged: its weight is 0 / 0. */
  public boolean rejectsZeroFisher() {
    return unit == Unit.NORM && constant == 0 && exponent > 0;
  }

  /** This formula with another ε or r. */
  FisherAverage withConstant(double other) {
    return new FisherAverage(scale, exponent, unit, other);
  }

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
    return scale != 1;
  }

  @Override
  public double defaultCoefficient(int models) {
    return 1.0 / models;
  }

  @Override
  public boolean acceptsNegativeCoefficients() {
    return false;
  }

  @Override
  public String constantName() {
    return unit == Unit.MEAN ? "relative_fisher_weight" : "minimal_fisher_weight";
  }

  /** A model whose norm and ε are both 0 has the weight 0 when normalised, unless γ is 0. */
  @Override
  public Factors factors(Model model) {
    double coefficient = model.coefficient();
    return switch (unit) {
      case ONE -> new Factors(coefficient, 1);
      case MEAN -> new Factors(coefficient, mean(model));
      case NORM -> {
        double divisor = model.norm() + constant;
        if (divisor == 0) {
          yield new Factors(exponent == 0 ? coefficient : 0, 1);
        }
        // With γ = 1 the weight takes the divisor: one division a model instead of one an entry.
        yield exponent == 1
            ? new Factors(coefficient / divisor, 1)
            : new Factors(coefficient, divisor);
      }
    };
  }

  @Override
  public double commonCoefficient(int models, Collection<Double> coefficients) {
    double own = defaultCoefficient(models);
    return coefficients.contains(own) ? own : 1;
  }

  /** The mean of a Fisher; 1 for a Fisher that is 0, since 0 / 1 is 0. */
  static double mean(Model model) {
    return model.total() == 0 || model.entries() == 0 ? 1 : model.total() / model.entries();
  }

  /** What is added to F / unit. */
  double bias(double divisor) {
    return unit == Unit.MEAN ? constant : constant / divisor;
  }

  /**
   * The sum of the weights. Neither the sum of F nor that of F² gives the sum of other powers, so
   * with γ other than 0 and 1 every entry counts as the mean does.
   */
  @Override
  public Mass mass(Factors factors, double total, long elements) {
    double fisher = total / factors.unit();
    double added = bias(factors.unit()) * elements;
    if (exponent == 1) {
      return new Mass(factors.weight() * fisher, factors.weight() * added);
    }
    double sum = fisher + added;
    if (sum == 0 || elements == 0) {
      return new Mass(exponent == 0 ? factors.weight() * elements : 0, 0);
    }
    double mass = factors.weight() * elements * power(sum / elements, exponent);
    return new Mass(mass * (fisher / sum), mass * (added / sum));
  }

  @Override
  public MergeSums sums(MergeKernel.Factory kernels, int capacity) {
    return new FisherMerge(kernels, capacity, this);
  }

  /** {@code base^exponent}, with the same bits on every machine. */
  static double power(double base, double exponent) {
    if (exponent == 1) {
      return base;
    }
    if (exponent == 0.5) {
      return Math.sqrt(base);
    }
    return exponent == 0 ? 1 : StrictMath.pow(base, exponent);
  }

  @Override
  public String text() {
    String weight = unit == Unit.MEAN ? "(F / μ + r)" : "(F + ε)";
    String powered = exponent == 1 ? weight : weight + "^γ";
    String average = "Σ c %s θ_m / Σ c %s".formatted(powered, powered);
    return scale == 1 ? "θ = " + average : "θ = θ₀ + s (" + average + " − θ₀)";
  }
}
