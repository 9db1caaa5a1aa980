package io.fisherstreams.cli.options;

import io.fisherstreams.release.ReleaseExporter;
import java.nio.file.Path;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

/** Where a merged checkpoint is written. */
public final class OutputOptions {
  private static final long DEFAULT_PART_BYTES = 5_000_000_000L;

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
      description =
          "For a folder: largest size of a file in it, such as 500MB or 2GiB. Default: 5GB, as Hugging Face has it.")
  private Long partBytes;

  @Spec(Spec.Target.MIXEE)
  private CommandSpec spec;

  public Path path() {
    return output;
  }

  /** Largest size of a file in a folder, in bytes; rejects a size for a single file. */
  public long partBytes() {
    requireFolder("--out-shard-size", partBytes != null);
    return partBytes == null ? DEFAULT_PART_BYTES : partBytes;
  }

  /** Rejects an option that a single output file would ignore. */
  public void requireFolder(String option, boolean given) {
    if (given && ReleaseExporter.isFile(path())) {
      throw new ParameterException(
          spec.commandLine(),
          "%s is for an output folder, but --output %s is a single file".formatted(option, output));
    }
  }
}
