package io.fisherstreams.cli;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.time.Duration;
import java.util.List;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A pool that {@code bin/fisher-streams serve} runs: used, killed, started again and stopped. */
final class ServeIT {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized").toAbsolutePath();
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  @TempDir private Path directory;
  private Path home;
  private Process serve;

  @AfterEach
  void end() {
    if (serve != null) {
      serve.destroyForcibly();
    }
  }

  @Test
  void aKilledPoolGoesOnAfterItsNextStartAndAStoppedOneLeavesNothing() throws Exception {
    home = directory.resolve("a pool");
    Files.createDirectory(directory.resolve("tmp"));
    final JsonNode first = start("first");
    assertThat(first.get("pid").longValue()).isEqualTo(serve.pid());
    assertThat(PosixFilePermissions.toString(Files.getPosixFilePermissions(home)))
        .isEqualTo("rwx------");
    publish("checkpoint", "base", "base.safetensors", "--base");
    for (String model : List.of("model-a", "model-b")) {
      publish("checkpoint", model, model + ".safetensors");
      publish("fisher", model, model + ".fisher.safetensors");
    }
    awaitRelease(2);
    assertThat(said(1, "serve", home.toString()))
        .contains("another broker is running in " + home)
        .contains("(process " + serve.pid() + ")");

    serve.destroyForcibly().waitFor();
    assertThat(said(1, "status", "--local", home.toString()))
        .contains("is not running any more; start it again with: fisher-streams serve " + home);
    JsonNode second = start("second");
    assertThat(second.get("pid").longValue()).isEqualTo(serve.pid());
    for (String address : List.of("bootstrap_servers", "schema_registry", "api")) {
      assertThat(second.get(address)).as(address).isEqualTo(first.get(address));
    }
    output("withdraw", "model-b");
    awaitRelease(1);
    Path without = directory.resolve("without.safetensors");
    output("export", "--output", without.toString());
    Path never = directory.resolve("never.safetensors");
    assertThat(Main.run("merge", onlyTheFirst().toString(), "-o", never.toString())).isZero();
    MergeConformanceIT.assertSameTensors(without, never);

    serve.destroy(); // SIGTERM
    assertThat(serve.waitFor(2, TimeUnit.MINUTES)).isTrue();
    assertThat(serve.exitValue()).isEqualTo(143);
    assertThat(home.resolve("serve.json")).doesNotExist();
    try (Stream<Path> left = Files.list(directory.resolve("tmp"))) {
      assertThat(left).isEmpty();
    }
    assertThat(Files.readString(directory.resolve("second.out")))
        .startsWith("starting pool pool in " + home)
        .contains("ready; ^C stops it")
        .endsWith("stopping pool pool ...\nstopped; the next start goes on with the pool\n");
    // What Kafka Streams logs about stores that a kill left is no news: they are restored.
    assertThat(Files.readString(directory.resolve("second.err")))
        .doesNotContain("Exception", "WARN", "ERROR", "\tat ");
    assertThat(said(1, "status", "--local", home.toString()))
        .contains("no pool is served in " + home);
  }

  /** Starts it and waits until other commands can find it. */
  private JsonNode start(String name) throws IOException {
    ProcessBuilder builder = new ProcessBuilder("bin/fisher-streams", "serve", home.toString());
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    builder.environment().put("TMPDIR", directory.resolve("tmp").toString());
    Path out = directory.resolve(name + ".out");
    Path err = directory.resolve(name + ".err");
    serve = builder.redirectOutput(out.toFile()).redirectError(err.toFile()).start();
    await()
        .atMost(PATIENCE)
        .until(() -> !serve.isAlive() || Files.readString(out).contains("ready;"));
    assertThat(serve.isAlive()).as(Files.readString(err)).isTrue();
    return new ObjectMapper().readTree(Files.readString(home.resolve("serve.json")));
  }

  private void publish(String kind, String model, String file, String... more) {
    output(
        Stream.concat(
                Stream.of("publish", kind, CASE.resolve(file).toString(), "--model", model),
                Stream.of(more))
            .toArray(String[]::new));
  }

  private void awaitRelease(int models) {
    await()
        .atMost(PATIENCE)
        .until(() -> output("releases").matches("(?s).*COMPLETE +\\S+ +" + models + " [^\n]*\n$"));
  }

  private Path onlyTheFirst() throws IOException {
    String text =
        Files.readString(CASE.resolve("merge.yaml"))
            .replaceAll("(?s)  - name: model-b.*?(?=method:)", "")
            .replaceAll("(base|checkpoint|fisher): (.*safetensors)", "$1: " + CASE + "/$2");
    return Files.writeString(directory.resolve("one.yaml"), text);
  }

  /** Runs a command on the pool, which must succeed, and returns what it printed. */
  private String output(String... arguments) {
    String[] line =
        Stream.concat(Stream.of(arguments), Stream.of("--local", home.toString()))
            .toArray(String[]::new);
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(bytes, true, UTF_8));
    int exit;
    try {
      exit = Main.run(line);
    } finally {
      System.setOut(before);
    }
    String printed = bytes.toString(UTF_8);
    assertThat(exit).as("%s printed %s", List.of(line), printed).isZero();
    return printed;
  }

  /** Runs a command and returns what it said beside its output. */
  private static String said(int exit, String... arguments) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(bytes, true, UTF_8));
    try {
      assertThat(Main.run(arguments)).isEqualTo(exit);
    } finally {
      System.setErr(before);
    }
    return bytes.toString(UTF_8);
  }
}
