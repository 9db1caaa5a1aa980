package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.record.Alias;
import io.fisherstreams.release.AliasJson;
import io.fisherstreams.release.ReleaseAliases;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import java.util.SortedMap;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "alias",
    mixinStandardHelpOptions = true,
    description = {
      "Names releases, such as production. Without a command it lists the aliases.",
      "The release that an alias points to and its previous release keep their tensors. A gate compares"
          + " other releases with BASELINE too, until somebody sets the alias."
    },
    subcommands = {
      AliasSetCommand.class,
      AliasRemoveCommand.class,
      AliasHoldCommand.class,
      AliasReleaseCommand.class
    })
final class AliasCommand implements Callable<Integer> {
  /** How long a command waits for the coordinator, which may be starting or taking over. */
  static final Duration ANSWER_WITHIN = Duration.ofSeconds(60);

  @Mixin private Connection connection;

  @Option(names = "--json", description = "Prints each alias as one line of JSON.")
  private boolean json;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    SortedMap<String, Alias> aliases =
        new ReleaseAliases(connection.kafka(), connection.topics()).all();
    PrintWriter out = spec.commandLine().getOut();
    if (json) {
      aliases.values().forEach(alias -> out.println(AliasJson.text(alias)));
      return 0;
    }
    TextTable table = new TextTable().left().left().left().left().left().left();
    table.row("ALIAS", "RELEASE", "HELD", "BASELINE", "AT", "EARLIER");
    aliases.forEach(
        (name, alias) ->
            table.row(
                name,
                alias.getRelease(),
                alias.getHeld() ? "held" : "",
                alias.getBaseline() == 0 ? "" : alias.getBaseline(),
                alias.getAt(),
                alias.getEarlier()));
    table.print(out);
    return 0;
  }

  /** Where an alias is, as its commands print it. */
  static String text(Alias alias) {
    return String.format(
        Locale.ROOT,
        "%s is %srelease %d",
        alias.getAlias(),
        alias.getHeld() ? "held at " : "",
        alias.getRelease());
  }
}
