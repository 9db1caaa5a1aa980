package io.fisherstreams.cli.options;

import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** One model, from a file or a pool, and the examples that it is evaluated on. */
public final class EvaluatedModel extends ExampleOptions {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "CHECKPOINT_OR_RELEASE",
      description = {
        "A Hugging Face folder, or a safetensors file with its config.json beside it.",
        "With --bootstrap-servers or --config: a release of the pool, by id or alias."
      })
  private String model;

  @Option(
      names = "--folder",
      paramLabel = "CHECKPOINT",
      description = {
        "For a release: the model whose config.json, tokenizer and head the release runs with, as for --model.",
        "If the folder has a checkpoint too, parameters that the pool does not merge come from it."
      })
  private Path folder;

  /** A checkpoint's path, or a release's id or alias. */
  public String model() {
    return model;
  }

  public Optional<Path> folder() {
    return Optional.ofNullable(folder);
  }
}
