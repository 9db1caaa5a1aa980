package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.api.ApiOptions;
import io.fisherstreams.cli.options.ComputeOptions;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.cli.options.Port;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.files.CleanUp;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.JsonLog;
import io.fisherstreams.local.LocalCluster;
import io.fisherstreams.monitor.SlowClients;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.net.URI;
import java.nio.file.Path;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletionException;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Model.CommandSpec;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;
import picocli.CommandLine.Spec;

@Command(
    name = "serve",
    mixinStandardHelpOptions = true,
    description = {
      "Runs a pool on this machine until it is stopped: Kafka broker, schema registry and all stages in this process.",
      "Only this machine can reach them. The directory keeps the pool from start to start. Its file serve.json has"
          + " the addresses; commands that are given no address find the pool of the default directory in it.",
      "On SIGINT and SIGTERM the pool stops cleanly, with exit code 130 or 143."
    })
final class ServeCommand implements Callable<Integer> {
  @Parameters(
      arity = "0..1",
      paramLabel = "DIRECTORY",
      description = "Keeps the pool; created when missing. Default: ${DEFAULT-VALUE}.")
  private Path directory = Connection.LOCAL_DIRECTORY;

  @Option(
      names = "--config",
      paramLabel = "FILE",
      description =
          "Configuration (docs/configuration.md): pool, partitions, coordinator, gradient, gate, webhooks."
              + " The addresses of Kafka and the state directory are serve's own.")
  private Path configFile;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      converter = Port.class,
      description = "The broker's port. Default: that of the last time, else a free one.")
  private int port;

  @Option(
      names = "--registry-port",
      paramLabel = "PORT",
      converter = Port.class,
      description = "The schema registry's port. Default: that of the last time, else a free one.")
  private int registryPort;

  @Option(
      names = "--strict",
      description =
          "Leaves a model out of the merge, instead of a warning, while its small Fisher would take the merge over, or its share would be above coordinator.largest_share (default: 0.95).")
  private boolean strict;

  @Option(
      names = "--api-port",
      paramLabel = "PORT",
      converter = Port.class,
      description =
          "The port of the page and the API. Default: the configuration's api.port, else that of the last time, else a free one.")
  private int apiPort;

  @Mixin private ComputeOptions compute;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    SlowClients.limitRequests();
    ServiceConfig config = RunningStages.strict(config(), strict).on(compute::over);
    Path home = directory.toAbsolutePath().normalize();
    Service service = new Service("pool " + config.pool(), spec.commandLine().getOut());
    JsonLog.namePool(config.pool());
    service.say("starting pool " + config.pool() + " in " + home + " ...");
    LocalCluster cluster = LocalCluster.start(home, port, registryPort);
    // The stages stop before it, while the broker still answers.
    CleanUp atStop =
        CleanUp.onStop(
            "the broker",
            () -> {
              cluster.close();
              service.say("stopped; the next start goes on with the pool");
            });
    try {
      KafkaSettings kafka = new KafkaSettings(cluster.bootstrapServers(), Map.of());
      PoolTopics topics =
          new PoolTopics(config.pool(), SchemaRegistry.connect(cluster.schemaRegistry(), Map.of()));
      createTopics(kafka, topics, config.partitions());
      ServiceConfig shown = config.withApi(api(config, cluster));
      RunningStages stages =
          new RunningStages(
              RunningStages.configured(shown), shown, kafka, topics, home.resolve("state"));
      service.run(
          stages,
          () -> announce(service, topics, cluster, stages.api().orElseThrow()),
          cluster.failure().toCompletableFuture());
    } catch (CompletionException e) {
      throw new InvalidInput(e.getCause().getMessage() + "; its log above says why", e.getCause());
    } finally {
      cluster.close();
      atStop.close();
    }
    return 0;
  }

  private ApiOptions api(ServiceConfig config, LocalCluster cluster) {
    if (apiPort != 0) {
      return config.api().orElse(ApiOptions.standard()).withPort(apiPort);
    }
    return config.api().orElseGet(() -> ApiOptions.standard().withPort(cluster.lastApiPort()));
  }

  private ServiceConfig config() {
    if (configFile == null) {
      return ServiceConfig.defaults();
    }
    ServiceConfig config = ServiceConfig.read(configFile);
    rejectOwn(config.bootstrapServers(), "bootstrap_servers");
    rejectOwn(config.schemaRegistry(), "schema_registry");
    rejectOwn(config.commandConfig(), "command_config");
    if (config.replication() != null && config.replication() > 1) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: replication_factor is %d, but serve has one broker; remove it, or use run for a cluster",
              configFile,
              config.replication()));
    }
    return config;
  }

  private void rejectOwn(Object value, String key) {
    if (value != null) {
      throw new InvalidInput(
          configFile
              + ": "
              + key
              + " names another cluster, but serve runs its own; remove it, or use run for that cluster");
    }
  }

  private static void createTopics(KafkaSettings kafka, PoolTopics topics, int partitions) {
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(partitions, Optional.empty());
    }
  }

  private void announce(Service service, PoolTopics topics, LocalCluster cluster, URI api) {
    cluster.announce(topics.pool(), api);
    service.say("  bootstrap servers  " + cluster.bootstrapServers());
    service.say("  schema registry    " + cluster.schemaRegistry());
    service.say("  page and API       " + api);
    service.say(
        "other commands find the pool, in another terminal: fisher-streams status"
            + (directory.equals(Connection.LOCAL_DIRECTORY) ? "" : " --local " + directory));
  }
}
