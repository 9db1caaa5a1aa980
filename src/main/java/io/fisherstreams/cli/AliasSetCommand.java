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
    name = "set",
    mixinStandardHelpOptions = true,
    description =
        "Points an alias to a complete release whose tensors are kept. The coordinator must run.")
final class AliasSetCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Parameters(
      index = "0",
      paramLabel = "ALIAS",
      description =
          "The alias, such as production: 1 to 100 ASCII letters, digits and '. _ -', beginning with a letter.")
  private String alias;

  @Parameters(index = "1", paramLabel = "N_OR_ALIAS", description = "The release's id or alias.")
  private String release;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    ReleaseAliases aliases = new ReleaseAliases(connection.kafka(), connection.topics());
    Alias moved = aliases.set(alias, aliases.resolve(release), AliasCommand.ANSWER_WITHIN);
    spec.commandLine().getOut().println(alias + " is release " + moved.getRelease());
    return 0;
  }
}
