package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.PoolTopics;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A pool's life by its commands alone: two merging processes and a coordinator against a broker,
 * beside what {@code merge} writes of the same models in one process ({@link MergeConformanceIT}
 * holds that against the reference).
 */
final class PoolCommandsIT {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/merge/three-models-normalized");
  private static final Duration PATIENCE = Duration.ofMinutes(3);

  @TempDir private Path directory;
  private Path config;

  @Test
  void aPoolIsPublishedMergedByTwoProcessesExportedAndWithdrawnFrom() throws IOException {
    List<Process> stages = new ArrayList<>();
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      configure(broker, registry, "");
      assertThat(output("topics", "create")).contains("created digits.checkpoint-shards");
      for (String stage : List.of("merge", "merge", "coordinator")) {
        stages.add(start(stage, stages.size()));
      }
      publish("checkpoint", "base", "base.safetensors", "--base");
      for (String model : List.of("model-a", "model-b", "model-c")) {
        publish("checkpoint", model, model + ".safetensors");
        publish("fisher", model, model + ".fisher.safetensors");
      }
      publish("checkpoint", "model-d", "model-c.safetensors");
      await()
          .atMost(PATIENCE)
          .untilAsserted(
              () -> {
                assertThat(status()).as(logs()).contains("awaits its Fisher");
                assertThat(output("releases")).as(logs()).containsPattern("COMPLETE +\\S+ +3 ");
              });
      Path merged = directory.resolve("merged.safetensors");
      output("export", "--output", merged.toString());
      Path together = directory.resolve("together.safetensors");
      assertThat(Main.run("merge", CASE.resolve("merge.yaml").toString(), "-o", together + ""))
          .isZero();
      MergeConformanceIT.assertSameTensors(merged, together);

      String other = CASE.resolve("model-b.fisher.safetensors").toString();
      assertThat(said(1, "publish", "fisher", other, "--model", "model-a"))
          .containsPattern("warning: model-a@\\d+ has its whole Fisher and is not refined")
          .containsPattern(
              "the pool rejected \\d+ records of model-a: model-a@\\d+ has its 1 examples");
      assertThat(said(0, "publish", "fisher", other, "--model", "model-d"))
          .doesNotContain("warning");

      assertThat(output("withdraw", "model-d")).contains("withdrew model-d");
      assertThat(output("withdraw", "model-c")).contains("withdrew model-c");
      await()
          .atMost(PATIENCE)
          .until(() -> output("releases").matches("(?s).*COMPLETE +\\S+ +2 [^\n]*\n$"));
      String[] lines = output("releases", "--json").split("\n");
      JsonNode newest = new ObjectMapper().readTree(lines[lines.length - 1]);
      assertThat(newest.get("status").textValue()).isEqualTo("COMPLETE");
      assertThat(newest.get("plan").get("models").findValuesAsText("model"))
          .containsExactly("model-a", "model-b");
      assertThat(newest.get("plan").get("models").findValues("fisher_norm")).hasSize(2);
      Path without = directory.resolve("without.safetensors");
      output("export", "--output", without.toString());
      Path never = directory.resolve("never.safetensors");
      assertThat(Main.run("merge", withoutTheThird().toString(), "-o", never + "")).isZero();
      MergeConformanceIT.assertSameTensors(without, never);

      assertThat(Main.run("withdraw", "model-x", "--config", config.toString())).isEqualTo(1);
      assertThat(Main.run("export", "--config", config.toString())).isEqualTo(2);
    } finally {
      stages.forEach(Process::destroyForcibly);
    }
  }

  @Test
  void examplesThatArePublishedMakeARelease() throws IOException {
    Path model = Path.of("src/test/resources/conformance/gradient/gpt2");
    Process stages = null;
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      configure(broker, registry, "gradient:\n  linger_millis: 100\n");
      output("topics", "create");
      stages = start("merge,coordinator,gradient", 0);
      String checkpoint = model.resolve("model.safetensors").toString();
      String examples = model.resolve("examples.safetensors").toString();
      output("publish", "checkpoint", checkpoint, "--model", "base", "--base");
      output("publish", "checkpoint", checkpoint, "--model", "plain");
      List<String> announce =
          List.of("publish", "checkpoint", checkpoint, "--model", "m", "--num-examples", "7");
      rejected(
          "the pool merges the parameter score.weight, so it cannot be a frozen head's",
          with(announce, "--estimator", "exact", "--head", checkpoint));
      String announced = output(with(announce, "--estimator", "sampled", "--samples", "3"));
      assertThat(output(with(announce, "--estimator", "sampled", "--samples", "3")))
          .isEqualTo(announced);
      rejected(
          "accepts no examples: its manifest has no estimation",
          "publish",
          "examples",
          examples,
          "--model",
          "plain");
      String[] publish = {"publish", "examples", examples, "--model", "m"};
      rejected("expected 8 examples, found 7", with(List.of(publish), "--num-examples", "8"));
      rejected("accepts 7 examples", with(List.of(publish), "--first-index", "7"));
      String images = "src/test/resources/conformance/gradient/clip-vit/examples.safetensors";
      rejected(
          "example 0: has no input_ids; it has [pixel_values]",
          with(List.of("publish", "examples", images, "--model", "m", "--num-examples", "1")));
      rejected(
          "example 0: label 77 is not in 0 … ",
          with(List.of("publish", "examples", wrongLabel(examples).toString(), "--model", "m")));
      assertThat(status()).as("nothing was sent").contains("dead letters: 0");
      assertThat(output(publish)).contains("published 7 examples of m@");
      await()
          .atMost(PATIENCE)
          .until(() -> output("releases").matches("(?s).*COMPLETE +\\S+ +1 .*"));
      await().atMost(PATIENCE).until(() -> status().matches("(?s).*gradient +lag 0 records.*"));
      assertThat(status())
          .containsPattern(
              "m +\\d+ +\\d{4}-\\S+Z +1/n +[01]\\.\\d{4} +0\\.00% +7/7 +\\S+ +\\S+ +1 +ready");
    } finally {
      if (stages != null) {
        stages.destroyForcibly();
      }
    }
  }

  /** A copy whose first label is 77: the labels are the last seven int64. */
  private Path wrongLabel(String examples) throws IOException {
    byte[] file = Files.readAllBytes(Path.of(examples));
    file[file.length - 7 * Long.BYTES] = 77;
    return Files.write(directory.resolve("wrong.safetensors"), file);
  }

  private static String[] with(List<String> line, String... more) {
    return Stream.concat(line.stream(), Stream.of(more)).toArray(String[]::new);
  }

  /** Runs a command, which must fail with a message. */
  private void rejected(String message, String... arguments) {
    assertThat(said(1, arguments)).contains(message);
  }

  /** Runs a command and gives what it said beside its output. */
  private String said(int exit, String... arguments) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      assertThat(Main.run(with(List.of(arguments), "--config", config.toString()))).isEqualTo(exit);
    } finally {
      System.setErr(before);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  private void configure(EmbeddedBroker broker, EmbeddedRegistry registry, String more)
      throws IOException {
    config = directory.resolve("pool.yaml");
    Files.writeString(
        config,
        "pool: digits\nbootstrap_servers: %s\nschema_registry: %s\nstate_directory: %s\n"
                .formatted(broker.bootstrapServers(), registry.url(), directory.resolve("state"))
            + "partitions: 4\nreplication_factor: 1\n"
            + more);
  }

  private void publish(String kind, String model, String file, String... more) {
    List<String> line =
        new ArrayList<>(List.of("publish", kind, CASE.resolve(file).toString(), "--model", model));
    line.addAll(List.of(more));
    output(line.toArray(String[]::new));
  }

  private Path withoutTheThird() throws IOException {
    String text =
        Files.readString(CASE.resolve("merge.yaml"))
            .replaceAll("(?s)  - name: model-c.*?(?=method:)", "")
            .replaceAll(
                "(base|checkpoint|fisher): (.*safetensors)",
                "$1: " + CASE.toAbsolutePath() + "/$2");
    return Files.writeString(directory.resolve("two.yaml"), text);
  }

  /** What {@code status} prints of a pool that is up to date, or waits. */
  private String status() {
    return output(Set.of(0, StatusCommand.WAITING), "status");
  }

  /** Runs a command, which must succeed, and gives what it printed. */
  private String output(String... arguments) {
    return output(Set.of(0), arguments);
  }

  private String output(Set<Integer> exits, String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(List.of("--config", config.toString()));
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.out;
    System.setOut(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    int exit;
    try {
      exit = Main.run(line.toArray(String[]::new));
    } finally {
      System.setOut(before);
    }
    String printed = bytes.toString(StandardCharsets.UTF_8);
    assertThat(exit).as("%s printed %s", line, printed).isIn(exits);
    return printed;
  }

  /** What the stages' processes have said so far. */
  private String logs() throws IOException {
    StringBuilder logs = new StringBuilder();
    for (int number = 0; Files.exists(log(number)); number++) {
      logs.append(log(number)).append('\n').append(Files.readString(log(number)));
    }
    return logs.toString();
  }

  private Path log(int number) {
    return directory.resolve("stage-" + number + ".log");
  }

  private Process start(String stage, int number) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx512m",
            "-Dfisherstreams.log.events=INFO",
            "-XX:TieredStopAtLevel=1", // a process that lives for seconds
            "-cp",
            System.getProperty("java.class.path"),
            "io.fisherstreams.cli.Main",
            "run",
            "--stages",
            stage,
            "--state-directory",
            directory.resolve("state-" + number).toString(),
            "--config",
            config.toString())
        .redirectErrorStream(true)
        .redirectOutput(log(number).toFile())
        .start();
  }
}
