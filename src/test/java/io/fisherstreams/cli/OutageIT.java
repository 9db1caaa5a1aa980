package io.fisherstreams.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import java.io.ByteArrayOutputStream;
import java.io.File;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A service whose broker goes away, comes back, and goes away for good. */
class OutageIT {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized");
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  @TempDir private Path directory;
  private EmbeddedBroker broker;
  private Process service;
  private List<String> cluster;

  @AfterEach
  void end() {
    if (service != null) {
      service.destroyForcibly();
    }
    if (broker != null) {
      broker.close();
    }
  }

  @Test
  void aServiceSaysThatItsBrokerIsAwayAndBackAndStopsWithoutIt() throws Exception {
    Path kafka = directory.resolve("kafka");
    broker = EmbeddedBroker.start(kafka);
    String servers = broker.bootstrapServers();
    int port = Integer.parseInt(servers.substring(servers.indexOf(':') + 1));
    try (EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      cluster = List.of("--bootstrap-servers", servers, "--schema-registry", registry.url());
      output("topics", "create");
      Path log = directory.resolve("log");
      start(log);
      awaitCount(log, "ready;", 1);

      broker.close();
      awaitCount(log, "Kafka at " + servers + " does not answer", 1);
      broker = EmbeddedBroker.start(kafka, port);
      awaitCount(log, "Kafka at " + servers + " is back again", 1);
      publish("checkpoint", "base", "base.safetensors", "--base");
      publish("checkpoint", "model-a", "model-a.safetensors");
      publish("fisher", "model-a", "model-a.fisher.safetensors");
      await().atMost(PATIENCE).until(() -> output("releases").contains("COMPLETE"));

      broker.close();
      awaitCount(log, "Kafka at " + servers + " does not answer", 2);
      service.destroy(); // SIGTERM
      assertThat(service.waitFor(1, TimeUnit.MINUTES)).as("it stops without the broker").isTrue();
      assertThat(service.exitValue()).isEqualTo(143);
      assertThat(Files.readString(log)).contains("stopping gradient").doesNotContain("\tat ");
    }
  }

  private void start(Path log) throws IOException {
    List<String> line =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1", // a process that lives for seconds
                "-Xmx512m",
                "--add-modules",
                "jdk.incubator.vector",
                "-cp",
                System.getProperty("java.class.path"),
                "io.fisherstreams.cli.Main",
                "run",
                "--all",
                "--state-directory",
                directory.resolve("state").toString()));
    line.addAll(cluster);
    service =
        new ProcessBuilder(line)
            .redirectErrorStream(true)
            .redirectOutput(new File(log.toString()))
            .start();
  }

  private void awaitCount(Path log, String text, int count) {
    await()
        .atMost(PATIENCE)
        .failFast(() -> assertThat(service.isAlive()).as(Files.readString(log)).isTrue())
        .until(() -> Files.readString(log).split(Pattern.quote(text), -1).length > count);
  }

  private void publish(String kind, String model, String file, String... more) {
    output(
        Stream.concat(
                Stream.of("publish", kind, CASE.resolve(file).toString(), "--model", model),
                Stream.of(more))
            .toArray(String[]::new));
  }

  private String output(String... arguments) {
    String[] line = Stream.concat(Stream.of(arguments), cluster.stream()).toArray(String[]::new);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(bytes, true, UTF_8));
    try {
      assertThat(Main.run(line)).as(String.join(" ", line)).isZero();
    } finally {
      System.setOut(before);
    }
    return bytes.toString(UTF_8);
  }
}
