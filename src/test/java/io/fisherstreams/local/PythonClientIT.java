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
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.Function;
import org.apache.kafka.clients.admin.Admin;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Clients that share no line with us take part in a pool by {@code docs/protocol.md}: Debian's
 * librdkafka and Avro for Python, not Kafka's and Avro's Java.
 */
final class PythonClientIT {
  // Debian's packages belong to Debian's Python, whatever else is first on the path.
  private static final String PYTHON = "/usr/bin/python3";
  private static final String EXAMPLE = "docs/examples/python/publish_and_read.py";
  private static final String MODULE_TEST = "clients/python/test_fisherstreams.py";
  private static final int PARTITIONS = 3;

  @TempDir private Path directory;

  @Test
  void exampleOfTheProtocolReadsReleasesWithTheRightValues()
      throws IOException, InterruptedException {
    requireModules("avro.io, confluent_kafka", "python3-confluent-kafka or python3-avro");
    run(
        pool ->
            List.of(
                EXAMPLE,
                "--bootstrap-servers",
                pool.servers(),
                "--schema-registry",
                pool.registry(),
                "--pool",
                pool.name()),
        "all values and checksums are right");
  }

  @Test
  void moduleForTrainersPublishesFishersAndReadsReleasesWithTheRightValues()
      throws IOException, InterruptedException {
    requireModules(
        "avro.io, confluent_kafka, torch",
        "python3-confluent-kafka, python3-avro or python3-torch");
    run(
        pool -> List.of(MODULE_TEST, pool.servers(), pool.registry(), pool.name()),
        "all values are right");
  }

  private static void requireModules(String modules, String packages)
      throws IOException, InterruptedException {
    boolean installed =
        Files.isExecutable(Path.of(PYTHON))
            && new ProcessBuilder(PYTHON, "-c", "import " + modules).start().waitFor() == 0;
    assumeTrue(installed, "SKIPPED: " + PYTHON + " lacks " + packages + "; install them");
  }

  private record Addresses(String servers, String registry, String name) {}

  private void run(Function<Addresses, List<String>> script, String last)
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
        List<String> command = new ArrayList<>(List.of(PYTHON));
        command.addAll(
            script.apply(new Addresses(broker.bootstrapServers(), registry.url(), topics.pool())));
        Process client =
            new ProcessBuilder(command)
                .redirectErrorStream(true)
                .redirectOutput(output.toFile())
                .start();
        boolean ended = client.waitFor(10, TimeUnit.MINUTES);
        client.destroyForcibly();
        stages.requireRunning();
        assertThat(ended).as("%s", Files.readString(output)).isTrue();
        assertThat(client.exitValue()).as("%s", Files.readString(output)).isZero();
        assertThat(output).content().contains(last);
      }
    }
  }
}
