package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.record.Alias;
import io.fisherstreams.release.ReleaseAliases;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "rollback",
    mixinStandardHelpOptions = true,
    description =
        "Points an alias back to the newest of its earlier releases whose tensors are kept. The coordinator must run.")
final class RollbackCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(paramLabel = "ALIAS", description = "The alias.")
  private String alias;

  @Option(
      names = "--hold",
      description =
          "Holds the alias there: otherwise the gate moves it to the next release that passes.")
  private boolean hold;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    Alias moved =
        new ReleaseAliases(connection.kafka(), connection.topics())
            .rollback(alias, hold, AliasCommand.ANSWER_WITHIN);
    spec.commandLine().getOut().println(AliasCommand.text(moved));
    return 0;
  }
}
