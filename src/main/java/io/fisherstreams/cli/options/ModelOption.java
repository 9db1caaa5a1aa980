package io.fisherstreams.cli.options;

import io.fisherstreams.record.ModelName;
import picocli.CommandLine.Option;

/** The model that a command works on. */
public final class ModelOption {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "NAME",
      description = "The model's name.")
  private String name;

  public String name() {
    return new ModelName(name).value();
  }
}
