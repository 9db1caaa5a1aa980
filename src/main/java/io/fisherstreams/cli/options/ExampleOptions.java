package io.fisherstreams.cli.options;

import io.fisherstreams.gradient.ModelFiles;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The examples that a model runs on, and its head. */
public abstract class ExampleOptions {
  @Option(
      names = "--examples",
      required = true,
      paramLabel = "PATH",
      description =
          "A .safetensors or .jsonl file, or a folder with one subfolder of images a class.")
  private Path examples;

  @Option(
      names = "--head",
      paramLabel = "FILE",
      description = "A safetensors file with a frozen head, such as CLIP's zero-shot head.")
  private Path head;

  public Path examples() {
    return examples;
  }

  public ModelFiles files(Path checkpoint, Optional<Path> torchScript) {
    return ModelFiles.of(checkpoint, Optional.ofNullable(head), torchScript);
  }
}
