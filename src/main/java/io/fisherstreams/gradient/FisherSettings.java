package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;

/**
 * How a Fisher is estimated.
 *
 * @param estimator which gradients are squared
 * @param examples how many examples, exactly; the first ones of their source
 * @param batchSize examples that go through the model together
 */
public record FisherSettings(Estimator estimator, long examples, int batchSize) {
  /** The default number of examples. */
  public static final long DEFAULT_EXAMPLES = 256;

  /** The default batch size: enough rows for full-speed matrix products with 50 to 64 tokens. */
  public static final int DEFAULT_BATCH_SIZE = 8;

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
    return new FisherSettings(new Estimator.Exact(), DEFAULT_EXAMPLES, DEFAULT_BATCH_SIZE);
  }
}
