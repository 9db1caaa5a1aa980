package io.fisherstreams.cli.options;

import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherSettings;
import io.fisherstreams.record.ManifestRules;
import picocli.CommandLine.Option;

/** Settings of an estimator, without its name. */
public class EstimatorOptions {
  @Option(
      names = "--samples",
      converter = AtLeastOne.Int.class,
      paramLabel = "K",
      defaultValue = "1",
      description =
          "Labels that the estimator 'sampled' draws per example; other estimators draw none. Default: ${DEFAULT-VALUE}.")
  private int samples;

  @Option(
      names = "--seed",
      paramLabel = "N",
      defaultValue = "0",
      description = "Seed of these draws. Default: ${DEFAULT-VALUE}.")
  private long seed;

  @Option(
      names = "--batch-size",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "" + ManifestRules.DEFAULT_BATCH_SIZE,
      description = "Examples that go through the model together. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  public int samples() {
    return samples;
  }

  public long seed() {
    return seed;
  }

  /** The settings with an estimator's name; rejects values out of range. */
  public final FisherSettings settings(String estimator, long examples) {
    return new FisherSettings(Estimator.named(estimator, samples, seed), examples, batchSize);
  }
}
