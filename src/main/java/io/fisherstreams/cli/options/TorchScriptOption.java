package io.fisherstreams.cli.options;

import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** The TorchScript module for models whose architecture is not built in. */
public final class TorchScriptOption {
  @Option(
      names = "--torchscript",
      paramLabel = "FILE",
      description =
          "A traced module that runs the checkpoints' tensors. It is executable code: use only a file that you trust.")
  private Path file;

  public Optional<Path> file() {
    return Optional.ofNullable(file);
  }
}
