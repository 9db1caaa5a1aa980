package io.fisherstreams.deploy;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import java.io.IOException;
import java.io.Writer;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.Uuid;

/**
 * A broker as a process of its own, from the jars of Kafka's distribution and with the settings of
 * a deployment file.
 */
final class KafkaProcess implements AutoCloseable {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final String HOST = "127.0.0.1";

  private final Process process;
  private final Path log;

  /**
   * Starts a node that is broker and controller, and waits until it answers.
   *
   * @param settings all of the node's, but its folder
   * @param listener address of a listener without TLS and password
   */
  KafkaProcess(Path directory, Map<String, String> settings, String listener) throws Exception {
    Properties properties = new Properties();
    properties.putAll(settings);
    properties.put("log.dirs", directory.resolve("data").toString());
    Path file = Files.createDirectories(directory).resolve("server.properties");
    try (Writer writer = Files.newBufferedWriter(file)) {
      properties.store(writer, null);
    }
    log = directory.resolve("broker.log");
    Process format =
        start(
            "kafka.tools.StorageTool",
            "format",
            "-t",
            Uuid.randomUuid().toString(),
            "-c",
            file.toString());
    assertThat(format.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)).isTrue();
    assertThat(format.exitValue()).as(this::said).isZero();
    process = start("kafka.Kafka", file.toString());
    try (Admin admin = Admin.create(Map.of("bootstrap.servers", listener))) {
      await()
          .atMost(PATIENCE)
          .ignoreExceptions()
          .until(
              () -> {
                assertThat(process.isAlive()).as(this::said).isTrue();
                return !admin.describeCluster().nodes().get(1, TimeUnit.SECONDS).isEmpty();
              });
    } catch (RuntimeException e) {
      process.destroyForcibly();
      throw new AssertionError(said(), e);
    }
  }

  private Process start(String main, String... arguments) throws IOException {
    List<String> command =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx512m",
                "-XX:TieredStopAtLevel=1", // a process that lives for seconds
                "-cp",
                System.getProperty("java.class.path"),
                main));
    command.addAll(List.of(arguments));
    return new ProcessBuilder(command)
        .redirectErrorStream(true)
        .redirectOutput(ProcessBuilder.Redirect.appendTo(log.toFile()))
        .start();
  }

  private String said() {
    try {
      return Files.readString(log);
    } catch (IOException e) {
      return e.toString();
    }
  }

  /** Fails with the broker's log when it has ended. */
  void requireRunning() {
    assertThat(process.isAlive()).as(this::said).isTrue();
  }

  /** An address with a port that was free a moment ago. */
  static String freeAddress() throws IOException {
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName(HOST))) {
      return HOST + ":" + socket.getLocalPort();
    }
  }

  @Override
  public void close() {
    process.destroy();
    try {
      if (!process.waitFor(PATIENCE.toSeconds(), TimeUnit.SECONDS)) {
        process.destroyForcibly();
      }
    } catch (InterruptedException e) {
      process.destroyForcibly();
      Thread.currentThread().interrupt();
    }
  }
}
