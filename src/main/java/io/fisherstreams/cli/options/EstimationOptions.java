package io.fisherstreams.cli.options;

import io.fisherstreams.record.Estimation;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Optional;
import picocli.CommandLine;
import picocli.CommandLine.Option;

/** How the gradient stage estimates a model's Fisher. */
public final class EstimationOptions extends EstimatorOptions {
  @Option(
      names = "--estimator",
      converter = EstimatorConverter.class,
      required = true,
      paramLabel = "NAME",
      description =
          "The gradient stage estimates the Fisher from 'publish examples': exact, sampled, empirical or"
              + " fusion_bench. The model's config.json and all its tensors are sent.")
  private String estimator;

  @Option(
      names = "--head",
      paramLabel = "FILE",
      description =
          "A safetensors file with a frozen head, such as CLIP's zero-shot head; it is sent with the model.")
  private Path head;

  @Option(
      names = "--torchscript",
      description =
          "The model runs as a TorchScript module from the stage's gradient.torchscript_directory;"
              + " no config.json is sent.")
  private boolean torchScript;

  public Optional<Path> head() {
    return Optional.ofNullable(head);
  }

  /** Whether the stage has a TorchScript module for the model. */
  public boolean torchScript() {
    return torchScript;
  }

  /**
   * The settings.
   *
   * @param command rejects options that the estimator does not use
   */
  public Estimation estimation(CommandLine command) {
    int batchSize = settings(command, estimator, 1).batchSize();
    return new Estimation(
        estimator, samples(), seed(), batchSize, new ArrayList<>(), exactVocabulary());
  }
}
