package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ShortenedExamples;
import io.fisherstreams.record.ManifestRules;
import java.util.OptionalInt;

/**
 * How a Fisher is estimated.
 *
 * @param estimator which gradients are squared
 * @param examples how many examples, exactly; the first ones of their source
 * @param batchSize examples that go through the model together
 * @param maxLength tokens after which a text is cut; empty for none
 */
public record FisherSettings(
    Estimator estimator, long examples, int batchSize, OptionalInt maxLength) {
  /** Rejects counts below 1. */
  public FisherSettings {
    if (examples < 1) {
      throw new InvalidInput("num_fisher_examples must be at least 1, found " + examples);
    }
    if (batchSize < 1) {
      throw new InvalidInput("batch_size must be at least 1, found " + batchSize);
    }
  }

  /** Settings that cut no text. */
  public FisherSettings(Estimator estimator, long examples, int batchSize) {
    this(estimator, examples, batchSize, OptionalInt.empty());
  }

  /** The exact estimator on the default number of examples. */
  public static FisherSettings defaults() {
    return new FisherSettings(
        new Estimator.Exact(), ManifestRules.DEFAULT_EXAMPLES, ManifestRules.DEFAULT_BATCH_SIZE);
  }

  /** The examples, with their texts cut. The result owns the source. */
  ExampleSource cut(ExampleSource source) {
    return ShortenedExamples.of(source, maxLength);
  }
}
