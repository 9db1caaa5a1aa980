package io.fisherstreams.cli;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.cli.options.Connection;
import io.fisherstreams.config.ServiceConfig;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.LocalCluster;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.io.PrintWriter;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.apache.kafka.clients.admin.Admin;
import picocli.CommandLine.Command;
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
              + " The addresses and the state directory are serve's own.")
  private Path configFile;

  @Option(
      names = "--port",
      paramLabel = "PORT",
      description = "The broker's port. Default: that of the last time, else a free one.")
  private int port;

  @Option(
      names = "--registry-port",
      paramLabel = "PORT",
      description = "The schema registry's port. Default: that of the last time, else a free one.")
  private int registryPort;

  @Spec private CommandSpec spec;

  @Override
  public Integer call() {
    ServiceConfig config = config();
    Path home = directory.toAbsolutePath().normalize();
    if (Files.exists(home) && !Files.isDirectory(home)) {
      throw new InvalidInput(home + " is a file, expected a directory");
    }
    LocalCluster cluster = LocalCluster.start(home, port, registryPort);
    RunningStages stages = null;
    try {
      KafkaSettings kafka = new KafkaSettings(cluster.bootstrapServers(), Map.of());
      PoolTopics topics =
          new PoolTopics(config.pool(), SchemaRegistry.connect(cluster.schemaRegistry(), Map.of()));
      createTopics(kafka, topics, config.partitions());
      Set<Stage> wanted = RunningStages.configured(config);
      stages = new RunningStages(wanted, config, kafka, topics, home.resolve("state"));
      RunningStages running = stages;
      // The virtual machine waits for its hooks: stages first, while the broker still answers.
      Runtime.getRuntime().addShutdownHook(new Thread(() -> stop(running, cluster), "stop"));
      stages.start();
      cluster.announce(topics.pool());
      tell(topics, cluster, wanted, home);
      awaitEnd(stages, cluster.failure().toCompletableFuture());
    } finally {
      stop(stages, cluster);
    }
    stages.requireNoFailure();
    return 0;
  }

  private ServiceConfig config() {
    if (configFile == null) {
      return ServiceConfig.defaults();
    }
    ServiceConfig config = ServiceConfig.read(configFile);
    rejectOwn(config.bootstrapServers(), "bootstrap_servers");
    rejectOwn(config.schemaRegistry(), "schema_registry");
    rejectOwn(config.commandConfig(), "command_config");
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

  private void tell(PoolTopics topics, LocalCluster cluster, Set<Stage> stages, Path home) {
    PrintWriter out = spec.commandLine().getOut();
    out.printf("serving pool %s from %s%n", topics.pool(), home);
    out.printf(
        "  stages             %s%n", String.join(", ", stages.stream().map(Stage::text).toList()));
    out.printf("  bootstrap servers  %s%n", cluster.bootstrapServers());
    out.printf("  schema registry    %s%n", cluster.schemaRegistry());
    out.println("other commands find it in another terminal, for example: fisher-streams status");
    out.flush();
  }

  private static void awaitEnd(RunningStages stages, CompletableFuture<Void> brokerFailure) {
    try {
      stages.awaitEnd(brokerFailure);
    } catch (CompletionException e) {
      throw new InvalidInput(e.getCause().getMessage() + "; its log above says why", e.getCause());
    }
  }

  private static void stop(RunningStages stages, LocalCluster cluster) {
    try {
      if (stages != null) {
        stages.close();
      }
    } finally {
      cluster.close();
    }
  }
}
