package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Topic;
import java.io.IOException;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.stream.Stream;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What an operator asks of a pool: is it up to date, what was rejected, what comes. */
class OperatingIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @TempDir private Path directory;

  /** {@code releases --watch} as a process, whose output goes to a file. */
  private Process watch(CommandPool pool, Path output) throws IOException {
    List<String> line =
        new ArrayList<>(
            List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-XX:TieredStopAtLevel=1", // a process that lives for seconds
                "-cp",
                System.getProperty("java.class.path"),
                "io.fisherstreams.cli.Main",
                "releases",
                "--watch"));
    line.addAll(pool.connection());
    return new ProcessBuilder(line).redirectOutput(output.toFile()).start();
  }

  @Test
  void statusWatchAndDeadLettersSayWhatHappens() throws Exception {
    try (CommandPool pool = new CommandPool(directory, 2, PlanPolicy.atOnce(Set.of("a")))) {
      assertThat(pool.output("status")).contains("dead letters: 0");
      assertThat(pool.run("status", "--max-age", "1h")).as("no release").isEqualTo(3);
      assertThat(pool.run("status", "--max-age", "soon")).isEqualTo(2);
      String file = pool.file("m", Map.of("w", new float[] {1, 2}));
      pool.output("publish", "checkpoint", file, "--model", "base", "--base");
      pool.output("publish", "checkpoint", file, "--model", "a");
      assertThat(pool.run("status")).as("a awaits its Fisher").isEqualTo(3);
      Path watched = directory.resolve("watched");
      Process watch = watch(pool, watched);
      await().atMost(PATIENCE).until(() -> Files.readString(watched).startsWith("RELEASE  STATUS"));
      pool.output("publish", "fisher", file, "--model", "a");
      pool.awaitRelease("the release", r -> r.getStatus() == ReleaseStatus.COMPLETE);
      await().atMost(PATIENCE).until(() -> pool.run("status", "--max-age", "1h") == 0);
      assertThat(pool.run("status", "--max-age", "0s")).isEqualTo(3);
      assertStatus(new ObjectMapper().readTree(pool.output("status", "--json")));
      await().atMost(PATIENCE).until(() -> Files.readString(watched).lines().count() == 2);
      watch.destroy();
      assertThat(watch.waitFor()).as("stopped").isEqualTo(143);
      assertThat(Files.readString(watched))
          .containsPattern("\\R1 {8}COMPLETE +\\S+Z +1 +[0-9a-f]{16}  a arrived\\R$");

      reject(pool);
      await()
          .atMost(PATIENCE)
          .until(() -> pool.output("status").contains("dead letters: 2; the newest is at offset"));
      assertLists(pool);
      assertShows(pool);
    }
  }

  /** Two requests: one that nobody can read, with a terminal's escape sequence, and one of 7. */
  private static void assertStatus(JsonNode status) {
    assertThat(status.at("/pool/partitions").intValue()).isEqualTo(2);
    assertThat(status.at("/pool/base/model").textValue()).isEqualTo("base");
    assertThat(status.at("/pool/stages/1/stage").textValue()).isEqualTo("merge");
    JsonNode model = status.at("/models/0");
    assertThat(model.get("name").textValue()).isEqualTo("a");
    assertThat(model.get("coefficient").isNull()).isTrue();
    assertThat(model.get("share").doubleValue()).isEqualTo(1.0);
    assertThat(model.at("/fisher/sealed").intValue()).isEqualTo(1);
    assertThat(status.at("/releases/0/status").textValue()).isEqualTo("COMPLETE");
    assertThat(status.at("/aliases").isEmpty()).isTrue();
  }

  private static void reject(CommandPool pool) throws Exception {
    Topic<String, AliasRequest> topic = pool.topics.aliasRequests();
    AliasRequest request = new AliasRequest("r", AliasAction.SET, 1L, 0L, 0L, null, false);
    List<ProducerRecord<byte[], byte[]>> records =
        List.of(
            new ProducerRecord<>(
                topic.name(),
                "\u001b[2J".getBytes(StandardCharsets.UTF_8),
                new byte[] {9, (byte) 0xab}),
            new ProducerRecord<>(
                topic.name(),
                "7".getBytes(StandardCharsets.UTF_8),
                topic.value().serializer().serialize(topic.name(), request)));
    try (Producer<byte[], byte[]> producer = pool.kafka.newProducer()) {
      for (ProducerRecord<byte[], byte[]> record : records) {
        producer.send(record).get();
      }
    }
  }

  private static void assertLists(CommandPool pool) throws Exception {
    String list = pool.output("dead-letters", "list");
    assertThat(list)
        .containsPattern(
            "(?m)^ *\\d+  \\S+Z  coordinator  pool.alias-requests partition 0 offset 0  \\?\\[2J  .*wire format")
        .containsPattern("offset 1  7    +alias '7' is not")
        .doesNotContain("\u001b");
    assertThat(pool.output("dead-letters", "list", "--topic", "alias-requests", "--since", "1h"))
        .isEqualTo(list);
    assertThat(pool.output("dead-letters", "list", "--topic", "pool.alias-requests"))
        .isEqualTo(list);
    assertThat(pool.output("dead-letters", "list", "--topic", "models").lines()).hasSize(1);
    assertThat(pool.output("dead-letters", "list", "--since", "2999-01-01").lines()).hasSize(1);
    JsonNode second =
        new ObjectMapper()
            .readTree(pool.output("dead-letters", "list", "--json").lines().toList().get(1));
    assertThat(second.get("reason").textValue()).startsWith("alias '7'");
    assertThat(second.get("origin").get("topic").textValue()).isEqualTo("pool.alias-requests");
    assertThat(second.get("origin").get("offset").longValue()).isEqualTo(1);
    assertThat(second.get("origin").get("key").textValue()).isEqualTo("7");
  }

  private static void assertShows(CommandPool pool) throws Exception {
    ObjectMapper mapper = new ObjectMapper();
    String[] lines = pool.output("dead-letters", "list", "--json").split("\\R");
    String first = mapper.readTree(lines[0]).get("offset").asText();
    String second = mapper.readTree(lines[1]).get("offset").asText();
    JsonNode raw = mapper.readTree(pool.output("dead-letters", "show", first, "--json"));
    assertThat(raw.get("value").get("bytes").longValue()).isEqualTo(2);
    assertThat(raw.get("value").get("hex").textValue()).isEqualTo("09ab");
    JsonNode decoded = mapper.readTree(pool.output("dead-letters", "show", second, "--json"));
    assertThat(decoded.get("value").get("action").textValue()).isEqualTo("SET");
    assertThat(decoded.get("value").get("release").longValue()).isEqualTo(1);
    assertThat(pool.output("dead-letters", "show", second))
        .contains("reason  alias '7'", "origin  pool.alias-requests partition 0 offset 1")
        .contains("\"request\" : \"r\"");
    StringWriter err = new StringWriter();
    String[] absent =
        Stream.concat(Stream.of("dead-letters", "show", "99"), pool.connection().stream())
            .toArray(String[]::new);
    assertThat(Main.commandLine().setErr(new PrintWriter(err)).execute(absent)).isEqualTo(1);
    assertThat(err.toString()).contains("pool.dead-letters has no dead letter at offset 99");
  }
}
