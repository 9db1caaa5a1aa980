package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

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
      config = directory.resolve("pool.yaml");
      Files.writeString(
          config,
          "pool: digits\nbootstrap_servers: %s\nschema_registry: %s\nstate_directory: %s\n"
                  .formatted(broker.bootstrapServers(), registry.url(), directory.resolve("state"))
              + "partitions: 4\nreplication_factor: 1\n");
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
          .until(
              () ->
                  output("status").contains("awaits its Fisher")
                      && output("releases").matches("(?s).*COMPLETE +\\S+ +3 .*"));
      Path merged = directory.resolve("merged.safetensors");
      output("export", "--output", merged.toString());
      Path together = directory.resolve("together.safetensors");
      assertThat(Main.run("merge", CASE.resolve("merge.yaml").toString(), "-o", together + ""))
          .isZero();
      MergeConformanceIT.assertSameTensors(merged, together);

      assertThat(output("withdraw", "model-c")).contains("withdrew model-c");
      await()
          .atMost(PATIENCE)
          .until(() -> output("releases").matches("(?s).*COMPLETE +\\S+ +2 [^\n]*\n$"));
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

  /** Runs a command, which must succeed, and gives what it printed. */
  private String output(String... arguments) {
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
    assertThat(exit).as("%s printed %s", line, printed).isZero();
    return printed;
  }

  private Process start(String stage, int number) throws IOException {
    return new ProcessBuilder(
            Path.of(System.getProperty("java.home"), "bin", "java").toString(),
            "-Xmx512m",
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
        .redirectOutput(directory.resolve("stage-" + number + ".log").toFile())
        .start();
  }
}
