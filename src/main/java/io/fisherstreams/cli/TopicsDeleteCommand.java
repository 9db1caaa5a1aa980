package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import java.util.List;
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

  @Option(
      names = "--leftovers",
      description =
          "Instead of the pool, deletes the pools that one-shot merges on this cluster left when they were killed.")
  private boolean leftovers;

  @Option(names = "--yes", required = true, description = "Confirms that you mean it.")
  @SuppressWarnings("UnusedVariable") // required: its presence is the confirmation
  private boolean yes;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    try (Admin admin = connection.kafka().admin()) {
      if (leftovers) {
        deleteLeftovers(admin);
      } else {
        delete(admin, connection.topics());
      }
    }
    return 0;
  }

  private void delete(Admin admin, PoolTopics topics) {
    List<String> deleted = new PoolAdmin(admin, topics).delete();
    deleted.forEach(name -> spec.commandLine().getOut().println("deleted " + name));
    if (deleted.isEmpty()) {
      spec.commandLine().getOut().println("pool " + topics.pool() + " has nothing to delete");
    }
  }

  /** A merge that is still running has members in its groups, and is left alone. */
  private void deleteLeftovers(Admin admin) {
    List<String> pools = PoolAdmin.oneShotPools(admin);
    if (pools.isEmpty()) {
      spec.commandLine().getOut().println("no one-shot merge has left anything");
    }
    for (String pool : pools) {
      try {
        delete(admin, connection.topics(pool));
      } catch (InvalidInput e) {
        spec.commandLine().getErr().println("kept " + pool + ": " + e.getMessage());
      }
    }
  }
}
