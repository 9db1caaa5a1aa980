package io.fisherstreams.cli.options;

import java.nio.file.Path;
import java.util.Optional;
import java.util.stream.Stream;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** One model, from a file or a pool, and the examples that it is evaluated on. */
public final class EvaluatedModel extends ExampleOptions {
  @Option(
      names = "--model",
      paramLabel = "CHECKPOINT_OR_RELEASE",
      description = {
        "A Hugging Face folder, or a safetensors file with its config.json beside it.",
        "With --bootstrap-servers or --config: a release of the pool, by id or alias."
      })
  private String model;

  @Option(names = "--examples", paramLabel = "PATH", description = EXAMPLES)
  private Path examples;

  @Option(
      names = "--folder",
      paramLabel = "CHECKPOINT",
      description = {
        "For a release: the model whose config.json, tokenizer and head the release runs with, as for --model.",
        "If the folder has a checkpoint too, parameters that the pool does not merge come from it."
      })
  private Path folder;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  /**
   * Rejects a command line with both a merge.yaml and options of one model, with neither, or with
   * half of a model's.
   *
   * @param yaml the merge.yaml, or null
   */
  public void requireEither(Path yaml) {
    boolean one = Stream.of(model, examples, folder).anyMatch(option -> option != null);
    boolean any = one || head().isPresent();
    if (yaml != null && any) {
      throw wrong(
          "give MERGE.YAML or --model with --examples, not both: the YAML names its models");
    }
    if (yaml == null && (model == null || examples == null)) {
      throw wrong(
          any
              ? (model == null ? "--model" : "--examples") + " is missing"
              : "give MERGE.YAML, or --model and --examples");
    }
  }

  private ParameterException wrong(String message) {
    return new ParameterException(spec.commandLine(), message);
  }

  /** A checkpoint's path, or a release's id or alias. */
  public String model() {
    return model;
  }

  public Path examples() {
    return examples;
  }

  public Optional<Path> folder() {
    return Optional.ofNullable(folder);
  }
}
