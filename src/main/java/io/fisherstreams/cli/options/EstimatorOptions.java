package io.fisherstreams.cli.options;

import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherSettings;
import io.fisherstreams.record.ManifestRules;
import picocli.CommandLine;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;

/** Settings of an estimator, without its name. */
public class EstimatorOptions {
  @Option(
      names = "--samples",
      converter = AtLeastOne.Int.class,
      paramLabel = "K",
      description = "For the estimator 'sampled': labels that it draws per example. Default: 1.")
  private Integer samples;

  @Option(
      names = "--seed",
      paramLabel = "N",
      description = "For the estimator 'sampled': seed of its draws. Default: 0.")
  private Long seed;

  @Option(
      names = "--batch-size",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "" + ManifestRules.DEFAULT_BATCH_SIZE,
      description = "Examples that go through the model together. Default: ${DEFAULT-VALUE}.")
  private int batchSize;

  @Option(
      names = "--exact-vocabulary",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      defaultValue = "" + Estimator.Exact.MAX_VOCABULARY,
      description =
          "For a language model and the estimator 'exact': rejects a vocabulary with more tokens. Default: ${DEFAULT-VALUE}.")
  private int exactVocabulary;

  /** Tokens of a language model's vocabulary that the estimator 'exact' accepts. */
  protected final int exactVocabulary() {
    return exactVocabulary;
  }

  /** Labels per example. */
  protected final int samples() {
    return samples == null ? 1 : samples;
  }

  /** Seed of the draws. */
  protected final long seed() {
    return seed == null ? 0 : seed;
  }

  /**
   * The settings with an estimator's name.
   *
   * @param command rejects options that the estimator does not use
   */
  public final FisherSettings settings(CommandLine command, String estimator, long examples) {
    Estimator named = Estimator.named(estimator, samples(), seed(), exactVocabulary);
    if (named.settings().isEmpty() && (samples != null || seed != null)) {
      throw new ParameterException(
          command,
          "%s is for --estimator sampled; '%s' draws no labels"
              .formatted(samples != null ? "--samples" : "--seed", estimator));
    }
    return new FisherSettings(named, examples, batchSize);
  }
}
