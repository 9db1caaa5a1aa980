package io.fisherstreams.cli.options;

import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Parameters;

/** A merge.yaml, or one model. */
public final class EvaluationSubject {
  @Parameters(
      paramLabel = "MERGE.YAML",
      description =
          "A pool whose models have evaluation_examples (docs/merge-yaml.md). It is merged once, as by the merge command.")
  private Path yaml;

  @ArgGroup(exclusive = false)
  private EvaluatedModel model;

  public Optional<Path> yaml() {
    return Optional.ofNullable(yaml);
  }

  /** The model; null with a merge.yaml. */
  public EvaluatedModel model() {
    return model;
  }
}
