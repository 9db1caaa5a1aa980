package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.release.ReleaseAliases;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "remove",
    mixinStandardHelpOptions = true,
    description =
        "Removes an alias. It then protects no release's tensors. The coordinator must run.")
final class AliasRemoveCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(paramLabel = "ALIAS", description = "The alias.")
  private String alias;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    new ReleaseAliases(connection.kafka(), connection.topics())
        .remove(alias, AliasCommand.ANSWER_WITHIN);
    spec.commandLine().getOut().println(alias + " is removed");
    return 0;
  }
}
