package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.release.NamedRelease;
import io.fisherstreams.release.ReleaseAliases;
import io.fisherstreams.release.ReleaseReader;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
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

  @Option(names = "--hold", description = "Holds the alias there, as alias hold does.")
  private boolean hold;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    Release named =
        NamedRelease.findUsable(release, new ReleaseReader(kafka, topics), kafka, topics);
    Alias moved =
        new ReleaseAliases(kafka, topics)
            .set(alias, named.getRelease(), hold, AliasCommand.ANSWER_WITHIN);
    spec.commandLine().getOut().println(AliasCommand.text(moved));
    return 0;
  }
}
