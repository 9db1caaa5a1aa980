package io.fisherstreams.cli;

import picocli.CommandLine.Command;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "topics",
    mixinStandardHelpOptions = true,
    description = "Creates, checks, purges or deletes a pool's topics.",
    synopsisSubcommandLabel = "COMMAND",
    subcommands = {
      TopicsCreateCommand.class,
      TopicsCheckCommand.class,
      TopicsPurgeCommand.class,
      TopicsDeleteCommand.class
    })
final class TopicsCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "a command is missing: create, check, purge or delete");
  }
}
