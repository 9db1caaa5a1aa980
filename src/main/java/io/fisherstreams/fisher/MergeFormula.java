package io.fisherstreams.fisher;

import java.util.Collection;

/**
 * A merge method with its settings. It says what a model adds to sums over the models, and how the
 * sums give the result. A result depends on the sums alone, so a model can be added and taken out
 * without a trace. A formula is immutable and pure.
 */
public interface MergeFormula {
  /**
   * What is known of a model: λ, and sums over the merged entries of its Fisher.
   *
   * @param coefficient λ; below 0 only if the formula {@linkplain #acceptsNegativeCoefficients()
   *     accepts} that
   * @param total ΣF
   * @param norm N = √ΣF²
   * @param entries J, the number of merged entries in which the model has a say
   */
  record Model(double coefficient, double total, double norm, long entries) {
    /** The same model with another λ. */
    public Model withCoefficient(double other) {
      return new Model(other, total, norm, entries);
    }
  }

  /**
   * The two numbers of a model that the sums need.
   *
   * @param weight the factor of its weights
   * @param unit by which its Fisher is divided, above 0
   */
  record Factors(double weight, double unit) {
    /** c, the factor of an entry of the Fisher itself, which a plan holds. */
    public double ofFisher() {
      return weight / unit;
    }
  }

  /**
   * The sum of a model's weights over a set of entries, in two parts.
   *
   * @param fisher from the Fisher
   * @param constant from what is added to the Fisher
   */
  record Mass(double fisher, double constant) {
    /** Both parts together. */
    public double sum() {
      return fisher + constant;
    }
  }

  /** The name that users choose the method by. */
  String name();

  /** s, the factor of the way from the base to the result; at least 0. */
  double scale();

  /** Whether the models need a Fisher. */
  boolean readsFishers();

  /** Whether the sums need the base's parameters. */
  boolean readsBase();

  /** λ of a model for which the user gives none, in a merge of {@code models} models. */
  double defaultCoefficient(int models);

  /** Whether λ may be below 0. */
  boolean acceptsNegativeCoefficients();

  /**
   * The name of the setting that is added to a Fisher, as a file spells it; empty when nothing is.
   */
  String constantName();

  /** The value of that setting; 0 when there is none. */
  double constant();

  /** The factors of a model; the unit does not depend on λ. */
  Factors factors(Model model);

  /**
   * A factor that all λ may be divided by without a change of the result. Where a default λ depends
   * on the number of models, it is that default: without it, one more model would change the terms
   * of all others.
   *
   * @param models how many models are merged
   * @param coefficients λ of every model in every group of parameters
   */
  default double commonCoefficient(int models, Collection<Double> coefficients) {
    return 1;
  }

  /**
   * The sum of a model's weights over some entries, such as those of one layer.
   *
   * @param total ΣF over these entries
   * @param elements how many there are
   */
  Mass mass(Factors factors, double total, long elements);

  /**
   * Sums for runs of at most {@code capacity} elements.
   *
   * @param kernels makes what computes them; the bits do not depend on it
   * @param capacity the most elements of one run
   */
  MergeSums sums(MergeKernel.Factory kernels, int capacity);

  /** The formula for people, in one line, such as {@code θ = Σ c (F + ε) θ_m / Σ c (F + ε)}. */
  String text();
}
