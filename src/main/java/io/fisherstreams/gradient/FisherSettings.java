package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.ManifestRules;

/**
 * How a Fisher is estimated.
 *
 * @param estimator which gradients are squared
 * @param examples how many examples, exactly; the first ones of their source
 * @param batchSize examples that go through the model together
 */
public record FisherSettings(Estimator estimator, long examples, int batchSize) {
  /** Rejects counts below 1. */
  public FisherSettings {
    if (examples < 1) {
      throw new InvalidInput("num_fisher_examples must be at least 1, found " + examples);
    }
    if (batchSize < 1) {
      throw new InvalidInput("batch_size must be at least 1, found " + batchSize);
    }
  }

  /** The exact estimator on the default number of examples. */
  public static FisherSettings defaults() {
    return new FisherSettings(
        new Estimator.Exact(), ManifestRules.DEFAULT_EXAMPLES, ManifestRules.DEFAULT_BATCH_SIZE);
  }
}
