package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "delete",
    mixinStandardHelpOptions = true,
    description =
        "Deletes the pool: its topics, changelogs and consumer groups. Stop the stages first.")
final class TopicsDeleteCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Option(names = "--yes", required = true, description = "Confirms that you mean it.")
  @SuppressWarnings("UnusedVariable") // required: its presence is the confirmation
  private boolean yes;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
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
