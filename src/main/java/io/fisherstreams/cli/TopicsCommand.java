package io.fisherstreams.cli;

import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import java.util.List;
import java.util.Optional;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.ParameterException;
import picocli.CommandLine.Spec;

@Command(
    name = "topics",
    mixinStandardHelpOptions = true,
    description = "Creates, checks or deletes a pool's topics.",
    synopsisSubcommandLabel = "COMMAND")
final class TopicsCommand implements Runnable {
  @Spec private CommandSpec spec;

  @Override
  public void run() {
    throw new ParameterException(
        spec.commandLine(), "a command is missing: create, check or delete");
  }

  @Command(
      mixinStandardHelpOptions = true,
      description =
          "Creates the topics that are missing and checks the others. Repeating it is safe.")
  int create(
      @Mixin Connection connection,
      @Option(
              names = "--partitions",
              converter = AtLeastOne.Int.class,
              paramLabel = "N",
              description =
                  "Partitions of each sharded topic; fixed for the pool's life. Default: the"
                      + " configuration's, else 4.")
          Integer partitions,
      @Option(
              names = "--replication",
              paramLabel = "N",
              description = "Replication factor. Default: the configuration's, else the brokers'.")
          Short replication) {
    PoolTopics topics = connection.topics();
    Short factor = replication != null ? replication : connection.config().replication();
    try (Admin admin = connection.kafka().admin()) {
      List<String> created =
          new PoolAdmin(admin, topics)
              .create(
                  partitions != null ? partitions : connection.config().partitions(),
                  Optional.ofNullable(factor));
      created.forEach(name -> spec.commandLine().getOut().println("created " + name));
      if (created.isEmpty()) {
        spec.commandLine().getOut().println("all topics of " + topics.pool() + " are there");
      }
    }
    return 0;
  }

  @Command(
      mixinStandardHelpOptions = true,
      description = "Checks partitions and settings of the topics.")
  int check(@Mixin Connection connection) {
    PoolTopics topics = connection.topics();
    try (Admin admin = connection.kafka().admin()) {
      int partitions = new PoolAdmin(admin, topics).check();
      spec.commandLine()
          .getOut()
          .printf("%d topics, %d partitions%n", topics.all().size(), partitions);
    }
    return 0;
  }

  @Command(
      mixinStandardHelpOptions = true,
      description =
          "Deletes the pool: its topics, changelogs and consumer groups. Stop the stages first.")
  int delete(
      @Mixin Connection connection,
      @Option(names = "--yes", required = true, description = "Says that you mean it.")
          boolean yes) {
    PoolTopics topics = connection.topics();
    try (Admin admin = connection.kafka().admin()) {
      new PoolAdmin(admin, topics).delete();
    }
    for (Topic<?, ?> topic : topics.all()) {
      spec.commandLine().getOut().println("deleted " + topic.name());
    }
    return 0;
  }
}
