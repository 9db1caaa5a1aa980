package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Age;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.kafka.TopicPurge;
import io.fisherstreams.kafka.TopicPurge.Remains;
import io.fisherstreams.text.TextTable;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "purge",
    mixinStandardHelpOptions = true,
    description = {
      "Removes now what the topics still have of withdrawn and replaced models, instead of when log compaction gets to it.",
      "Reads the topics to their ends, sets their compaction to begin at once, waits until nothing is left, and resets the settings. The stages keep running."
    })
final class TopicsPurgeCommand implements Callable<Integer> {
  @Mixin private Connection connection;

  @Option(names = "--dry-run", description = "Only says what is left, and changes nothing.")
  private boolean dryRun;

  @Option(
      names = "--timeout",
      paramLabel = "TIME",
      converter = Age.class,
      defaultValue = "10m",
      description =
          "How long to wait for the merge stage, and then for the brokers: 90s, 30m, 2h. Default: 10m.")
  private Duration timeout;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    PrintWriter out = spec.commandLine().getOut();
    try (Admin admin = connection.kafka().admin()) {
      TopicPurge purge = new TopicPurge(connection.kafka(), admin, connection.topics());
      Map<String, Remains> found = purge.search(dryRun ? Duration.ZERO : timeout);
      print(out, purge.versions(), found);
      Map<String, Long> left =
          dryRun || purge.versions().isEmpty() ? Map.of() : purge.purge(timeout);
      purge.releases().forEach((id, versions) -> print(out, id, versions));
      if (!left.isEmpty()) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "after %d s the brokers still have %s; their settings are as before. Is the brokers' log cleaner running? Call purge again",
                timeout.toSeconds(),
                left.entrySet().stream()
                    .map(topic -> topic.getValue() + " of these records in " + topic.getKey())
                    .reduce((a, b) -> a + ", " + b)
                    .orElseThrow()));
      }
      if (!dryRun && !purge.versions().isEmpty()) {
        out.println("all of it is removed");
      }
    }
    return 0;
  }

  private static void print(PrintWriter out, Set<String> versions, Map<String, Remains> found) {
    if (versions.isEmpty()) {
      out.printf(
          Locale.ROOT,
          "nothing is left of a withdrawn or replaced model in %d topics%n",
          found.size());
      return;
    }
    out.println("left of " + String.join(", ", versions) + ":");
    TextTable table = new TextTable().left().right().right();
    table.row("TOPIC", "RECORDS", "BYTES");
    found.forEach((topic, remains) -> table.row(topic, remains.records(), remains.bytes()));
    table.print(out);
  }

  private static void print(PrintWriter out, long release, Set<String> versions) {
    out.printf(
        Locale.ROOT,
        "note: release %d was merged from %s and its tensors are kept: see coordinator.keep_releases and aliases%n",
        release,
        String.join(", ", versions));
  }
}
