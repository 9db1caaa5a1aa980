package io.fisherstreams.cli;

import io.fisherstreams.gradient.ModelFiles;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Which examples a model runs on, and what it needs to run beyond its checkpoint. */
abstract class ExampleOptions {
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

  @Option(
      names = "--torchscript",
      paramLabel = "FILE",
      description =
          "A traced module to run the checkpoint's tensors with. It is code: name only what you trust.")
  private Path torchScript;

  Path examples() {
    return examples;
  }

  ModelFiles files(Path checkpoint) {
    return ModelFiles.of(checkpoint, Optional.ofNullable(head), Optional.ofNullable(torchScript));
  }
}
