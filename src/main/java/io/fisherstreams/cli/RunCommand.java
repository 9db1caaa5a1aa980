package io.fisherstreams.cli;

import io.fisherstreams.cli.options.ComputeOptions;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.files.CleanUp;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.JsonLog;
import io.fisherstreams.monitor.SlowClients;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.time.Duration;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.ArgGroup;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Spec;

@Command(
    name = "run",
    mixinStandardHelpOptions = true,
    description = {
      "Runs stages as services until it is stopped: on SIGTERM and SIGINT they leave their groups, and the exit code is 143 or 130.",
      "Every instance needs a state directory of its own; instances of a stage share its work."
    })
final class RunCommand implements Callable<Integer> {
  private static final class Which {
    @Option(
        names = "--stages",
        split = ",",
        paramLabel = "STAGE",
        description = "Stages to run: ${COMPLETION-CANDIDATES}, separated by commas.")
    private List<Stage> stages;

    @Option(
        names = "--all",
        description = "Runs every stage; gate, webhooks and api when they are configured.")
    private boolean all;
  }

  private static final Duration ASK_FOR = Duration.ofSeconds(5);

  @ArgGroup(multiplicity = "1")
  private Which which;

  @Mixin private Connection connection;

  @Option(
      names = "--state-directory",
      paramLabel = "DIR",
      description = "Overrides the configuration's state_directory.")
  private Path stateDirectory;

  @Option(
      names = "--strict",
      description =
          "Leaves a model out of the merge, instead of a warning, while its small Fisher would take the merge over, or its share would be above coordinator.largest_share (default: 0.95).")
  private boolean strict;

  @Mixin private ComputeOptions compute;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    SlowClients.limitRequests();
    ServiceConfig config = RunningStages.strict(connection.config(), strict).on(compute::over);
    Set<Stage> stages = which.all ? RunningStages.configured(config) : EnumSet.copyOf(which.stages);
    PoolTopics topics = connection.forService().topics();
    JsonLog.namePool(topics.pool());
    KafkaSettings kafka = connection.kafka();
    RunningStages running =
        new RunningStages(
            stages,
            config,
            kafka,
            topics,
            stateDirectory != null ? stateDirectory : config.stateDirectory());
    String name =
        "%s of pool %s"
            .formatted(String.join(", ", stages.stream().map(Stage::text).toList()), topics.pool());
    Service service = new Service(name, spec.commandLine().getOut());
    service.say("running " + name);
    CleanUp atStop = CleanUp.onStop("the end", () -> service.say("stopped"));
    try (Admin admin = kafka.admin();
        OutageWatch watch = new OutageWatch(servers(kafka, admin, connection.registry()))) {
      watch.start();
      running
          .monitor()
          .ifPresent(
              shown -> {
                shown.addServer("kafka", () -> watch.answers(0));
                shown.addServer("registry", () -> watch.answers(1));
              });
      service.run(
          running,
          () -> {
            running.api().ifPresent(url -> service.say("  page and API       " + url));
            running
                .monitorPort()
                .ifPresent(port -> service.say("  health, metrics    port " + port));
          },
          new CompletableFuture<>());
    } finally {
      atStop.close();
    }
    return 0;
  }

  private static List<OutageWatch.Server> servers(
      KafkaSettings kafka, Admin admin, SchemaRegistry registry) {
    return List.of(
        new OutageWatch.Server(
            "Kafka at " + kafka.bootstrapServers(), () -> kafka.answers(admin, ASK_FOR)),
        new OutageWatch.Server(registry.toString(), registry::answers));
  }
}
