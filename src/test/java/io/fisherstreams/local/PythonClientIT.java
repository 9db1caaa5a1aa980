package io.fisherstreams.local;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * A client that shares no line with us takes part in a pool by {@code docs/protocol.md}: Debian's
 * librdkafka and Avro for Python, not Kafka's and Avro's Java.
 */
final class PythonClientIT {
  // Debian's packages belong to Debian's Python, whatever else is first on the path.
  private static final String PYTHON = "/usr/bin/python3";
  private static final Path SCRIPT = Path.of("docs/examples/python/publish_and_read.py");
  private static final int PARTITIONS = 3;

  @TempDir private Path directory;

  @BeforeAll
  static void requirePython() throws IOException, InterruptedException {
    boolean installed =
        Files.isExecutable(Path.of(PYTHON))
            && new ProcessBuilder(PYTHON, "-c", "import avro.io, confluent_kafka").start().waitFor()
                == 0;
    assumeTrue(
        installed,
        "SKIPPED: " + PYTHON + " lacks python3-confluent-kafka or python3-avro; install both");
  }

  @Test
  void publishesModelsAndReadsReleasesWithTheRightValues()
      throws IOException, InterruptedException {
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start()) {
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      PoolTopics topics =
          new PoolTopics("python", SchemaRegistry.connect(registry.url(), Map.of()));
      try (Admin admin = kafka.admin()) {
        new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
      }
      try (PoolRunner stages =
          PoolRunner.start(kafka, topics, directory.resolve("state"), 1, PlanPolicy.standard())) {
        Path output = directory.resolve("output.txt");
        Process client =
            new ProcessBuilder(
                    List.of(
                        PYTHON,
                        SCRIPT.toString(),
                        "--bootstrap-servers",
                        broker.bootstrapServers(),
                        "--schema-registry",
                        registry.url(),
                        "--pool",
                        topics.pool()))
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = client.waitFor(10, TimeUnit.MINUTES);
        client.destroyForcibly();
        stages.requireRunning();
        assertThat(ended).as("%s", Files.readString(output)).isTrue();
        assertThat(client.exitValue()).as("%s", Files.readString(output)).isZero();
        assertThat(output).content().contains("all values and checksums are right");
      }
    }
  }
}
