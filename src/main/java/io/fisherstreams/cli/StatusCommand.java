package io.fisherstreams.cli;

import static java.nio.charset.StandardCharsets.UTF_8;

import io.fisherstreams.cli.options.Age;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.output.MethodText;
import io.fisherstreams.coordinator.PoolFollower;
import io.fisherstreams.coordinator.PoolReading;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.coordinator.Proposal;
import io.fisherstreams.coordinator.StageLag;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.AliasJson;
import io.fisherstreams.release.ReleaseJson;
import io.fisherstreams.text.PrintableText;
import io.fisherstreams.text.TextTable;
import io.fisherstreams.view.MaskedJson;
import io.fisherstreams.view.PoolJson;
import io.fisherstreams.view.PoolSummary;
import io.fisherstreams.view.PoolTraffic;
import java.io.PrintWriter;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.concurrent.Callable;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "status",
    mixinStandardHelpOptions = true,
    description =
        "Shows the pool's models and their missing records, the stages' lag and instances, and the newest releases.",
    exitCodeListHeading = "%nExit codes:%n",
    exitCodeList = {
      "0:every model is ready, and the newest release is recent enough",
      "1:failure",
      "2:wrong usage",
      "3:a model waits, or the newest complete release is older than --max-age"
    })
final class StatusCommand implements Callable<Integer> {
  /** Exit code for scripts: nothing failed, but the pool is not up to date. */
  static final int WAITING = 3;

  private static final int MAX_RELEASES = 5;

  @Mixin private Connection connection;

  @Option(
      names = "--max-age",
      paramLabel = "TIME",
      converter = Age.class,
      description =
          "Ends with exit code 3 when the newest complete release is older, or there is none: 90s, 30m, 2h, 7d.")
  private Duration maxAge;

  @Option(
      names = "--json",
      description =
          "Prints one line of JSON: the pool, its models, its newest releases and its aliases, as the HTTP API does.")
  private boolean json;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    return PoolFollower.read(
        kafka,
        topics,
        reading -> {
          try (Admin admin = kafka.admin()) {
            if (json) {
              printJson(admin, topics, reading);
            } else {
              print(admin, topics, reading);
            }
          }
          PoolStatus status = reading.status();
          return status.isWaiting() || isTooOld(status.releases()) ? WAITING : 0;
        });
  }

  private void print(Admin admin, PoolTopics topics, PoolReading reading) {
    PoolStatus status = reading.status();
    PrintWriter out = spec.commandLine().getOut();
    out.printf(Locale.ROOT, "pool %s, %d partitions%n%n", topics.pool(), status.partitions());
    StatusTable table = new StatusTable(reading);
    table.models().print(out);
    out.println();
    status.view().propose().ifPresent(next -> printMethod(next, out));
    if (status.view().isUnweighted()) {
      out.println(
          "warning: nothing can be merged, because no complete model has a weight: give one a coefficient other than 0 (weight MODEL LAMBDA)");
      out.println();
    }
    lags(admin, topics, status.partitions()).print(out);
    out.println();
    printReleases(status.releases(), table, out);
    out.println(PrintableText.of(reading.deadLetterText()));
  }

  private void printJson(Admin admin, PoolTopics topics, PoolReading reading) {
    PoolStatus status = reading.status();
    PoolTraffic traffic =
        PoolTraffic.look(
            admin,
            topics,
            status.partitions(),
            RunningStages.groups(connection.config(), topics),
            null);
    byte[] text =
        MaskedJson.object(
            object -> {
              object.writeObjectFieldStart("pool");
              PoolJson.pool(object, PoolSummary.of(topics, reading, traffic));
              object.writeEndObject();
              PoolJson.models(object, reading, name -> true);
              object.writeArrayFieldStart("releases");
              for (Release release : newest(status.releases())) {
                object.writeStartObject();
                ReleaseJson.writeWhole(object, release);
                object.writeEndObject();
              }
              object.writeEndArray();
              object.writeArrayFieldStart("aliases");
              for (Alias alias : reading.aliases().values()) {
                object.writeStartObject();
                AliasJson.write(object, alias);
                object.writeEndObject();
              }
              object.writeEndArray();
            });
    spec.commandLine().getOut().println(new String(text, UTF_8));
  }

  private static List<Release> newest(List<Release> releases) {
    return releases.subList(Math.max(0, releases.size() - MAX_RELEASES), releases.size());
  }

  private boolean isTooOld(List<Release> releases) {
    return maxAge != null
        && releases.stream()
            .filter(release -> release.getStatus() == ReleaseStatus.COMPLETE)
            .noneMatch(release -> release.getAt().isAfter(Instant.now().minus(maxAge)));
  }

  private static void printMethod(Proposal next, PrintWriter out) {
    MergeFormula formula = next.base().formula();
    double share = EpsilonShares.ofRelease(PlannedModels.epsilonParts(next.models()));
    out.println(
        "method "
            + MethodText.of(formula)
            + (formula.readsFishers()
                ? "; %s is %s of all weights"
                    .formatted(formula.constantName(), EpsilonShares.percent(share))
                : ""));
    next.epsilonWarning().ifPresent(warning -> out.println("warning: " + warning));
    out.println();
  }

  private TextTable lags(Admin admin, PoolTopics topics, int partitions) {
    Map<String, String> further = RunningStages.groups(connection.config(), topics);
    Map<String, String> instances = PoolStatus.instances(admin, topics, further);
    TextTable table = new TextTable().left().left().left();
    PoolStatus.lags(admin, topics, partitions)
        .forEach((stage, lag) -> addStage(table, stage, lag, instances.get(stage)));
    further.forEach(
        (stage, group) -> addStage(table, stage, StageLag.of(admin, group), instances.get(stage)));
    return table;
  }

  private static void addStage(TextTable table, String stage, long lag, String instances) {
    table.row(stage, String.format(Locale.ROOT, "lag %d records", lag), instances);
  }

  private static void printReleases(List<Release> releases, StatusTable table, PrintWriter out) {
    if (releases.isEmpty()) {
      out.println("no release yet");
    }
    for (Release release : newest(releases)) {
      out.printf(
          Locale.ROOT,
          "release %d %s %s %s%n",
          release.getRelease(),
          release.getStatus(),
          release.getAt(),
          release.getStatus() == ReleaseStatus.COMPLETE
              ? release.getPlan().getModels().size() + " model(s)" + table.aliases(release)
              : release.getReason());
      release.getPlan().getWarnings().forEach(warning -> out.println("    warning: " + warning));
    }
  }
}
