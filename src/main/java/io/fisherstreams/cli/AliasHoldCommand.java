package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.record.Alias;
import io.fisherstreams.release.ReleaseAliases;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "hold",
    mixinStandardHelpOptions = true,
    description =
        "Holds an alias where it is: the gate goes on judging releases, but does not move the alias. Commands still do. The coordinator must run.")
final class AliasHoldCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(paramLabel = "ALIAS", description = "The alias.")
  private String alias;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Alias answer =
        new ReleaseAliases(connection.kafka(), connection.topics())
            .hold(alias, true, AliasCommand.ANSWER_WITHIN);
    spec.commandLine().getOut().println(AliasCommand.text(answer));
    return 0;
  }
}
