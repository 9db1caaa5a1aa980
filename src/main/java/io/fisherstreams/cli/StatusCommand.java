package io.fisherstreams.cli;

import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.coordinator.PoolModel;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Stage;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.webhook.Webhook;
import java.io.PrintWriter;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Spec;

@Command(
    name = "status",
    mixinStandardHelpOptions = true,
    description =
        "Shows the pool: its models and what they lack, the stages' lag, the newest releases.")
final class StatusCommand implements Callable<Integer> {
  private static final int RELEASES_SHOWN = 5;
  private static final int MISSING_SHOWN = 10;

  @Mixin private Connection connection;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    KafkaSettings kafka = connection.kafka();
    PoolTopics topics = connection.topics();
    PoolStatus status = PoolStatus.read(kafka, topics);
    PrintWriter out = spec.commandLine().getOut();
    out.printf("pool %s, %d partitions%n%n", topics.pool(), status.partitions());
    out.printf(
        "%-32s %-14s %-12s %-12s %-6s %s%n",
        "MODEL", "VERSION", "PRESENT", "SEALED", "EPOCH", "STATE");
    status
        .view()
        .models()
        .forEach(
            (name, versions) ->
                versions
                    .values()
                    .forEach(model -> print(out, name, model, status.state(name, model))));
    Map<String, Long> lags = new LinkedHashMap<>(status.lags());
    connection
        .config()
        .gate()
        .ifPresent(
            gate ->
                lags.put(
                    Stage.GATE.text(), PoolStatus.lag(kafka, Stage.GATE.group(topics.pool()))));
    for (Webhook hook : connection.config().webhooks()) {
      lags.put(
          Stage.webhook(hook.name()),
          PoolStatus.lag(kafka, Stage.webhookGroup(topics.pool(), hook.name())));
    }
    out.println();
    lags.forEach((stage, lag) -> out.printf("%-20s lag %d records%n", stage, lag));
    List<Release> releases = new ReleaseReader(kafka, topics).all();
    out.println();
    if (releases.isEmpty()) {
      out.println("no release yet");
    }
    for (Release release :
        releases.subList(Math.max(0, releases.size() - RELEASES_SHOWN), releases.size())) {
      out.printf(
          "release %d %s %s %s%n",
          release.getRelease(),
          release.getStatus(),
          release.getAt(),
          release.getStatus() == ReleaseStatus.COMPLETE
              ? release.getPlan().getModels().size() + " model(s)"
              : release.getReason());
    }
    return 0;
  }

  private static void print(PrintWriter out, String name, PoolModel model, String state) {
    out.printf(
        "%-32s %-14d %-12s %-12s %-6s %s%n",
        name,
        model.manifest().getVersion(),
        model.present() + "/" + model.shards(),
        model.fisherShards() == 0 ? "-" : model.sealed() + "/" + model.fisherShards(),
        model.epoch().map(String::valueOf).orElse("-"),
        state);
    List<String> missing = model.missing();
    if (!missing.isEmpty()) {
      out.printf(
          "    missing: %s%s%n",
          String.join(", ", missing.subList(0, Math.min(MISSING_SHOWN, missing.size()))),
          missing.size() > MISSING_SHOWN ? ", ..." : "");
    }
  }
}
