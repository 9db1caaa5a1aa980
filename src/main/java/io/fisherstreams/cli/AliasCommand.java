package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.record.Alias;
import io.fisherstreams.release.ReleaseAliases;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "alias",
    mixinStandardHelpOptions = true,
    description = {
      "Names releases, such as production. Without a command it lists the aliases.",
      "A release that an alias points to, and the one before it, keep their tensors. A gate compares"
          + " others with BASELINE too, until somebody sets the alias."
    },
    subcommands = {AliasCommand.Set.class, AliasCommand.Remove.class})
final class AliasCommand implements Callable<Integer> {
  /** How long a command waits for the coordinator, which may be starting or taking over. */
  static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);

  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    SortedMap<String, Alias> aliases =
        new ReleaseAliases(connection.kafka(), connection.topics()).all();
    PrintWriter out = spec.commandLine().getOut();
    out.printf("%-24s %-8s %-8s %-24s %s%n", "ALIAS", "RELEASE", "BASELINE", "AT", "EARLIER");
    aliases.forEach(
        (name, alias) ->
            out.printf(
                "%-24s %-8d %-8s %-24s %s%n",
                name,
                alias.getRelease(),
                alias.getBaseline() == 0 ? "" : alias.getBaseline(),
                alias.getAt(),
                alias.getEarlier()));
    return 0;
  }

  @Command(
      name = "set",
      mixinStandardHelpOptions = true,
      description =
          "Points an alias to a complete release whose tensors are kept. The coordinator must run.")
  static final class Set implements Callable<Integer> {
    @Mixin private Connection connection;

    @Parameters(
        index = "0",
        paramLabel = "ALIAS",
        description =
            "1 to 100 ASCII letters, digits and '. _ -', the first a letter, such as production.")
    private String alias;

    @Parameters(index = "1", paramLabel = "N_OR_ALIAS", description = "The release's id or alias.")
    private String release;

    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
      ReleaseAliases aliases = new ReleaseAliases(connection.kafka(), connection.topics());
      Alias moved = aliases.set(alias, aliases.resolve(release), ANSWER_WITHIN);
      spec.commandLine().getOut().println(alias + " is release " + moved.getRelease());
      return 0;
    }
  }

  @Command(
      name = "remove",
      mixinStandardHelpOptions = true,
      description =
          "Removes an alias: it names no release and keeps no tensors. The coordinator must run.")
  static final class Remove implements Callable<Integer> {
    @Mixin private Connection connection;

    @Parameters(paramLabel = "ALIAS", description = "The alias.")
    private String alias;

    @Spec private CommandSpec spec;

    @Override
    public Integer call() {
      new ReleaseAliases(connection.kafka(), connection.topics()).remove(alias, ANSWER_WITHIN);
      spec.commandLine().getOut().println(alias + " is removed");
      return 0;
    }
  }
}
