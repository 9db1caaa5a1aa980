package io.fisherstreams.cli.options;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where a merged checkpoint is written. */
public final class OutputOptions {
  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE_OR_DIR",
      description = "A name that ends in .safetensors makes one file, any other name a folder.")
  private Path output;

  @Option(
      names = "--out-shard-size",
      converter = FileSize.class,
      paramLabel = "SIZE",
      defaultValue = "5GB",
      description =
          "Largest size of a file in a folder, such as 500MB or 2GiB; a single output file is never split. Default: ${DEFAULT-VALUE}.")
  private long partBytes;

  public Path path() {
    return output;
  }

  /** Largest size of a file in a folder, in bytes. */
  public long partBytes() {
    return partBytes;
  }
}
