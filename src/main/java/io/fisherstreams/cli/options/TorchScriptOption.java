package io.fisherstreams.cli.options;

import java.nio.file.Path;
import java.util.Optional;
import picocli.CommandLine.Option;

/** What models run in that are none of the built-in architectures. */
public final class TorchScriptOption {
  @Option(
      names = "--torchscript",
      paramLabel = "FILE",
      description =
          "A traced module to run the checkpoints' tensors with. It is code: name only what you trust.")
  private Path file;

  public Optional<Path> file() {
    return Optional.ofNullable(file);
  }
}
