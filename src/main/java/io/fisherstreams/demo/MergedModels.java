package io.fisherstreams.demo;

/**
 * A running pool as the demo sees it: models arrive and are withdrawn, and each change gives a
 * release. Every model has the coefficient 1 / number of models.
 */
public interface MergedModels extends AutoCloseable {
  /**
   * How a pool is merged.
   *
   * @param epsilon ε, added to every entry of every Fisher
   * @param normalized whether a model's weight is divided by the norm of its Fisher plus ε
   */
  record Method(double epsilon, boolean normalized) {}

  /** Starts pools. */
  @FunctionalInterface
  interface Opener {
    /**
     * Starts a pool of no model.
     *
     * @param pool the pool's name, not used before
     * @param base the base model's parameters
     */
    MergedModels open(String pool, Parameters base, Method method);
  }

  /** Adds a model and returns the release that it, and no later change, made. */
  MergedRelease arrive(FineTunedModel model);

  /** Withdraws a model and returns the release that this, and no later change, made. */
  MergedRelease withdraw(String model);

  /** Stops the pool. */
  @Override
  void close();
}
