package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.deploy.DeployCommands.Service;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.PoolTopics;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Runs the command line of every deployed service as a plain process. */
class DeployCommandsIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  private static final Path EVALUATION =
      Path.of("src", "test", "resources", "conformance", "gradient", "gpt2");

  @TempDir static Path directory;
  private static EmbeddedBroker broker;
  private static EmbeddedRegistry registry;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    registry = EmbeddedRegistry.start();
  }

  @AfterAll
  static void stop() {
    registry.close();
    broker.close();
  }

  @Test
  void everyComposeServiceRuns() throws Exception {
    runAll(
        DeployCommands.all().stream()
            .filter(service -> service.file().equals(DeployCommands.COMPOSE))
            .toList(),
        "compose");
  }

  @Test
  void everyKubernetesServiceRuns() throws Exception {
    runAll(
        DeployCommands.all().stream()
            .filter(service -> service.file().startsWith(DeployCommands.KUBERNETES))
            .toList(),
        "kubernetes");
  }

  /** The topics first, as both deployments order it; then all stages beside one another. */
  private static void runAll(List<Service> services, String pool) throws Exception {
    List<Running> stages = new ArrayList<>();
    try {
      for (Service service : services) {
        if (service.arguments().contains("topics")) {
          Running topics = new Running(service, pool);
          assertThat(topics.process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
          assertThat(topics.process.exitValue()).as(topics::errors).isZero();
          assertThat(topics.output()).contains("created " + pool + ".checkpoint-shards");
        }
      }
      for (Service service : services) {
        if (service.arguments().contains("run")) {
          stages.add(new Running(service, pool));
        }
      }
      for (Running stage : stages) {
        String name =
            stage.service.arguments().get(stage.service.arguments().indexOf("--stages") + 1);
        await()
            .atMost(PATIENCE)
            .until(
                () ->
                    !stage.process.isAlive()
                        || stage.output().contains("running " + name + " of pool " + pool));
        assertThat(stage.process.isAlive()).as(stage::errors).isTrue();
      }
      for (Running stage : stages) {
        stage.process.destroy();
        assertThat(stage.process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS))
            .as("%s ends on SIGTERM", stage.service)
            .isTrue();
        assertThat(stage.errors()).doesNotContain(" ERROR ");
      }
    } finally {
      stages.forEach(stage -> stage.process.destroyForcibly());
    }
  }

  private static final class Running {
    private final Service service;
    private final Process process;
    private final Path out;
    private final Path err;

    Running(Service service, String pool) throws IOException {
      this.service = service;
      Path home = Files.createDirectories(directory.resolve(pool).resolve(service.name()));
      out = home.resolve("out");
      err = home.resolve("err");
      Path config = Files.writeString(home.resolve("config.yaml"), local(service, pool, home));
      List<String> command =
          new ArrayList<>(
              List.of(
                  Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                  "-Xmx512m",
                  "-XX:TieredStopAtLevel=1", // a process that lives for seconds
                  "-cp",
                  System.getProperty("java.class.path"),
                  "io.fisherstreams.cli.Main"));
      command.addAll(service.argumentsWith(config));
      ProcessBuilder builder =
          new ProcessBuilder(command).redirectOutput(out.toFile()).redirectError(err.toFile());
      builder.environment().put("WEBHOOK_SECRET", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
      process = builder.start();
    }

    /** The service's configuration with the addresses and sizes of this test. */
    private static String local(Service service, String pool, Path home) {
      return service
          .config()
          .replaceAll("(?m)^pool: .*", "pool: " + pool)
          .replaceAll(
              "(?m)^bootstrap_servers: .*", "bootstrap_servers: " + broker.bootstrapServers())
          .replaceAll("(?m)^schema_registry: .*", "schema_registry: " + registry.url())
          .replaceAll("(?m)^state_directory: .*", "state_directory: " + home.resolve("state"))
          .replaceAll("(?m)^replication_factor: .*", "replication_factor: 1")
          .replace("/evaluation/task", EVALUATION.toAbsolutePath().toString());
    }

    String output() {
      return read(out);
    }

    String errors() {
      return service + "\n" + read(err);
    }

    private static String read(Path file) {
      try {
        return Files.readString(file);
      } catch (IOException e) {
        throw new UncheckedIOException(e);
      }
    }
  }
}
