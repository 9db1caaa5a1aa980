package io.fisherstreams.demo;

import java.util.Map;

/**
 * A running pool as the demo sees it: models arrive and are withdrawn, and each change makes a
 * release. Every model has the coefficient 1 / number of models.
 */
public interface MergedModels extends AutoCloseable {
  /**
   * How a pool merges.
   *
   * @param epsilon ε, added to every entry of every Fisher
   * @param normalized whether a model's weight is divided by the norm of its Fisher plus ε
   */
  record Method(double epsilon, boolean normalized) {}

  /** Starts pools. */
  @FunctionalInterface
  interface Opener {
    /**
     * Starts a pool without fine-tuned models.
     *
     * @param pool the pool's name; each pool needs its own
     * @param base the base model's parameters
     */
    MergedModels open(String pool, DigitParameters base, Method method);
  }

  /** Adds a model and returns the release that this change made. */
  MergedRelease arrive(FineTunedModel model);

  /** Withdraws a model and returns the release that this change made. */
  MergedRelease withdraw(String model);

  /**
   * The pool's estimate of each arrived model's diagonal Fisher, by model; one number for each
   * parameter.
   */
  Map<String, DigitParameters> fishers();

  /** Stops the pool. */
  @Override
  void close();
}
