package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.net.InetAddress;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What users read when a pool of this machine cannot be found or started. */
final class ServeMessagesTest {
  @TempDir private Path directory;

  private static String said(int exit, String... line) {
    StringWriter err = new StringWriter();
    assertThat(
            Main.commandLine()
                .setErr(new PrintWriter(err))
                .setOut(new PrintWriter(new StringWriter()))
                .execute(line))
        .as("%s said %s", List.of(line), err)
        .isEqualTo(exit);
    assertThat(err.toString()).startsWith("fisher-streams: ").doesNotContain("Exception");
    return err.toString().substring("fisher-streams: ".length()).strip();
  }

  @Test
  void aPoolThatIsNotServedIsNamedWithTheNextStep() {
    assertThat(said(1, "status"))
        .isEqualTo(
            "no pool is served in fisher-streams-pool; start one with: fisher-streams serve, or"
                + " name a cluster with --bootstrap-servers or --config");
    assertThat(said(1, "withdraw", "cars", "--local", directory.toString()))
        .isEqualTo(
            "no pool is served in %s; start one with: fisher-streams serve %s"
                .formatted(directory, directory));
    assertThat(said(2, "status", "--local", "x", "--bootstrap-servers", "localhost:9092"))
        .startsWith("--local names a pool of this machine, and --bootstrap-servers other brokers");
  }

  @Test
  void aPoolWhoseProcessEndedIsToldFromOneThatNeverWas() throws IOException {
    Files.writeString(
        directory.resolve("serve.json"),
        String.format(
            Locale.ROOT,
            """
        {"pool": "p", "bootstrap_servers": "127.0.0.1:1", "schema_registry": "http://127.0.0.1:2", "api": "http://127.0.0.1:3",
         "pid": %d}
        """,
            ProcessHandle.current().pid()));
    assertThat(said(1, "status", "--local", directory.toString()))
        .isEqualTo(
            "the pool in %s is not running any more; start it again with: fisher-streams serve %s"
                .formatted(directory, directory));
  }

  @Test
  void aTakenPortIsNamed() throws IOException {
    Path home = directory.resolve("pool");
    try (ServerSocket socket = new ServerSocket(0, 1, InetAddress.getByName("127.0.0.1"))) {
      String port = Integer.toString(socket.getLocalPort());
      assertThat(said(1, "serve", home.toString(), "--port", port))
          .isEqualTo(
              "port %s of 127.0.0.1 is taken: stop what listens there or choose another"
                  .formatted(port));
    }
    assertThat(home.resolve("serve.json")).doesNotExist();
    for (String wrong : List.of("0", "65536", "-1", "http")) {
      assertThat(said(2, "serve", home.toString(), "--port", wrong))
          .contains("expected a port from 1 to 65535, found '" + wrong + "'");
    }
  }

  @Test
  void whatServeDoesItselfCannotBeConfigured() throws IOException {
    List<String> lines =
        List.of(
            "bootstrap_servers: localhost:9092",
            "schema_registry: http://localhost:8081",
            "replication_factor: 3");
    List<String> said = new ArrayList<>();
    for (String line : lines) {
      Path config = Files.writeString(directory.resolve("pool.yaml"), line + "\n");
      said.add(said(1, "serve", directory.resolve("pool") + "", "--config", config.toString()));
    }
    assertThat(said.get(0)).contains("bootstrap_servers names another cluster");
    assertThat(said.get(1)).contains("schema_registry names another cluster");
    assertThat(said.get(2)).contains("replication_factor is 3, but serve has one broker");
  }
}
