package io.fisherstreams.cli;

import io.fisherstreams.record.ModelName;
import picocli.CommandLine.Option;

/** Names the model that a command is about. */
final class ModelOption {
  @Option(
      names = "--model",
      required = true,
      paramLabel = "NAME",
      description = "The model's name.")
  private String name;

  String name() {
    return new ModelName(name).value();
  }
}
