package io.fisherstreams.fisher;

/**
 * The method {@code task_arithmetic}: the base plus the weighted sum of the models' differences
 * from it.
 *
 * <pre>
 * θ = θ₀ + s Σ_m λ_m (θ_m − θ₀)
 * </pre>
 *
 * <p>It reads no Fishers. Source: Ilharco et al., "Editing Models with Task Arithmetic" (2023).
 *
 * @param scale s, at least 0
 */
public record TaskArithmetic(double scale) implements MergeFormula {
  /** The name that users choose the method by. */
  public static final String NAME = "task_arithmetic";

  /** s, unless the user says otherwise. */
  public static final double DEFAULT_SCALE = 0.3;

  @Override
  public String name() {
    return NAME;
  }

  @Override
  public boolean readsFishers() {
    return false;
  }

  @Override
  public boolean readsBase() {
    return true;
  }

  @Override
  public double defaultCoefficient(int models) {
    return 1;
  }

  @Override
  public boolean acceptsNegativeCoefficients() {
    return true;
  }

  @Override
  public String constantName() {
    return "";
  }

  @Override
  public double constant() {
    return 0;
  }

  @Override
  public Factors factors(Model model) {
    return new Factors(model.coefficient(), 1);
  }

  @Override
  public Mass mass(Factors factors, double total, long elements) {
    return new Mass(Math.abs(factors.weight()) * elements, 0);
  }

  @Override
  public MergeSums sums(MergeKernel.Factory kernels, int capacity) {
    return new Sums(kernels.create(capacity, 1), this);
  }

  @Override
  public String text() {
    return "θ = θ₀ + s Σ λ (θ_m − θ₀)";
  }

  /** The sum Σλτ. */
  private static final class Sums implements MergeSums {
    private final TaskArithmetic formula;
    private final MergeKernel kernel;
    private double[] base;
    private int elements;

    Sums(MergeKernel kernel, TaskArithmetic formula) {
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
      kernel.addDifference(term);
    }

    @Override
    public double[][] totals() {
      return kernel.totals();
    }

    @Override
    public boolean isAtLeast(double least) {
      return least <= 1; // the sum is divided by nothing
    }

    @Override
    public int finish(double[] merged) {
      double[] sum = kernel.totals()[0];
      for (int j = 0; j < elements; j++) {
        merged[j] = base[j] + formula.scale * sum[j];
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
