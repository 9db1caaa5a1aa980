package io.fisherstreams.cli.options;

import java.nio.file.Path;
import picocli.CommandLine.Option;

/** Where a merged checkpoint is written. */
public final class OutputOptions {
  @Option(
      names = {"-o", "--output"},
      required = true,
      paramLabel = "FILE_OR_DIR",
      description = "A name that ends in .safetensors for one file, else a folder.")
  private Path output;

  @Option(
      names = "--out-shard-size",
      converter = FileSize.class,
      paramLabel = "SIZE",
      defaultValue = "5GB",
      description =
          "Largest file of a folder, such as 500MB or 2GiB; an output that is one file is never cut. Default: ${DEFAULT-VALUE}.")
  private long partBytes;

  public Path path() {
    return output;
  }

  /** Most bytes of a file of a folder. */
  public long partBytes() {
    return partBytes;
  }
}
