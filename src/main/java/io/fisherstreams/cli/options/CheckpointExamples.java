package io.fisherstreams.cli.options;

import io.fisherstreams.gradient.ModelFiles;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** A checkpoint and the examples that it runs on. */
public final class CheckpointExamples extends ExampleOptions {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "CHECKPOINT",
      description = "A Hugging Face folder, or a safetensors file with its config.json beside it.")
  private Path checkpoint;

  @Option(names = "--examples", required = true, paramLabel = "PATH", description = EXAMPLES)
  private Path examples;

  /** Whether the checkpoint's file or folder is there. */
  public boolean exists() {
    return Files.exists(checkpoint);
  }

  public Path examples() {
    return examples;
  }

  public ModelFiles files(Optional<Path> torchScript) {
    return files(checkpoint, torchScript);
  }
}
