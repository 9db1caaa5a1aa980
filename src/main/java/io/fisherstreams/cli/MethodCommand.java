package io.fisherstreams.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "method",
    mixinStandardHelpOptions = true,
    description = "Shows or changes how a pool merges its models.",
    subcommands = {MethodShowCommand.class, MethodSetCommand.class})
final class MethodCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(spec.commandLine(), "a command is missing");
  }
}
