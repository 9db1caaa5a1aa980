package io.fisherstreams.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "publish",
    mixinStandardHelpOptions = true,
    description =
        "Sends checkpoints, Fishers, examples and gradients to a pool. Sending again changes nothing.",
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      PublishCheckpointCommand.class,
      PublishFisherCommand.class,
      PublishExamplesCommand.class,
      PublishGradientsCommand.class
    })
final class PublishCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "a command is missing: checkpoint, fisher, examples or gradients");
  }
}
