package io.fisherstreams.cli.options;

import io.fisherstreams.gradient.ModelFiles;
import java.nio.file.Path;
import java.util.Optional;
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

  public final Optional<Path> head() {
    return Optional.ofNullable(head);
  }

  public ModelFiles files(Path checkpoint, Optional<Path> torchScript) {
    return ModelFiles.of(checkpoint, head(), torchScript);
  }
}
