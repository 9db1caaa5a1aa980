package io.fisherstreams.cli;

import io.fisherstreams.cli.options.AtLeastOne;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "create",
    mixinStandardHelpOptions = true,
    description = "Creates missing topics and checks the existing ones. It is safe to repeat.")
final class TopicsCreateCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Option(
      names = "--partitions",
      converter = AtLeastOne.Int.class,
      paramLabel = "N",
      description =
          "Partitions of each sharded topic; they can never be changed. Default: the configuration's, else 4.")
  private Integer partitions;

  @Option(
      names = "--replication",
      paramLabel = "N",
      description = "Replication factor. Default: the configuration's, else the brokers'.")
  private Short replication;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
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
        spec.commandLine().getOut().println("all topics of " + topics.pool() + " exist");
      }
    }
    return 0;
  }
}
