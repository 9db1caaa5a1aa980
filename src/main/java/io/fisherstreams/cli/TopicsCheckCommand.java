package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import java.util.Locale;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "check",
    mixinStandardHelpOptions = true,
    description = "Checks partitions and settings of the topics.")
final class TopicsCheckCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PoolTopics topics = connection.topics();
    try (Admin admin = connection.kafka().admin()) {
      int partitions = new PoolAdmin(admin, topics).check();
      spec.commandLine()
          .getOut()
          .printf(Locale.ROOT, "%d topics, %d partitions%n", topics.all().size(), partitions);
    }
    return 0;
  }
}
