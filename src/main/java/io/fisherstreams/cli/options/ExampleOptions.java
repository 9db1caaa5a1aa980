package io.fisherstreams.cli.options;

import io.fisherstreams.gradient.ModelFiles;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalInt;
import picocli.CommandLine.Option;

/** What a model needs to run on examples, besides its checkpoint. */
public abstract class ExampleOptions {
  static final String EXAMPLES =
      "A .safetensors or .jsonl file, or a folder with one subfolder of images a class.";

  @Option(
      names = "--head",
      paramLabel = "FILE",
      description = "A safetensors file with a frozen head, such as CLIP's zero-shot head.")
  private Path head;

  @Option(
      names = "--base",
      paramLabel = "CHECKPOINT",
      description =
          "If the model is a LoRA adapter: its base, a Hugging Face folder or a safetensors file with its config.json beside it.")
  private Path base;

  @Option(
      names = "--max-length",
      converter = AtLeastOne.Int.class,
      paramLabel = "TOKENS",
      description =
          "Cuts each text after so many tokens. Default: a text that is too long is an error.")
  private Integer maxLength;

  /** Tokens after which a text is cut, if it is. */
  public final OptionalInt maxLength() {
    return maxLength == null ? OptionalInt.empty() : OptionalInt.of(maxLength);
  }

  public final Optional<Path> head() {
    return Optional.ofNullable(head);
  }

  public ModelFiles files(Path checkpoint, Optional<Path> torchScript) {
    return ModelFiles.of(checkpoint, Optional.ofNullable(base), head(), torchScript);
  }
}
