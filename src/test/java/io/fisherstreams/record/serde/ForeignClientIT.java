package io.fisherstreams.record.serde;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.PoolTopics;
import java.io.File;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.concurrent.TimeUnit;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Confluent's genuine registry client, another Avro and another Kafka client, all from Trino's
 * plugin, in a process that has none of our classes: {@code interop/Peer.java}.
 */
@Tag("faults")
class ForeignClientIT {
  private static final Path PLUGIN = Path.of("target/interop/trino/trino-kafka-454");

  @TempDir Path directory;

  @Test
  void readsOurRecordsAndWritesRecordsThatWeRead() throws Exception {
    assumeTrue(
        Files.isDirectory(PLUGIN),
        () -> "SKIPPED: no " + PLUGIN + "; run with mvn verify -Pfaults");
    byte[] payload = new byte[1 << 20];
    new Random(5).nextBytes(payload);
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_RECORD_BYTES);
        EmbeddedRegistry server = EmbeddedRegistry.start()) {
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      try (Admin admin = kafka.admin()) {
        admin
            .createTopics(
                List.of(new NewTopic("ours", 1, (short) 1), new NewTopic("theirs", 1, (short) 1)))
            .all()
            .get();
      }
      AvroSerde<CheckpointShard> serde =
          AvroSerde.of(
              SchemaRegistry.connect(server.url(), Map.of()),
              CheckpointShard.class,
              PoolTopics.MAX_RECORD_BYTES);
      CheckpointShard ours =
          new CheckpointShard("größe", 41L, "layer.weight", 7, ByteBuffer.wrap(payload));
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        producer
            .send(new ProducerRecord<>("ours", serde.serializer().serialize("ours", ours)))
            .get();
      }

      assertThat(runPeer(broker.bootstrapServers(), server.url(), "ours", "theirs"))
          .isEqualTo("io.fisherstreams.record.CheckpointShard of größe");

      CheckpointShard theirs = serde.deserializer().deserialize("theirs", first(kafka, "theirs"));
      assertThat(theirs)
          .isEqualTo(
              new CheckpointShard("größe", 42L, "layer.weight", 7, ByteBuffer.wrap(payload)));
    }
  }

  private String runPeer(String... args) throws Exception {
    Path out = directory.resolve("peer.out");
    Path java = Path.of(System.getProperty("java.home"), "bin", "java");
    ProcessBuilder builder =
        new ProcessBuilder(
            java.toString(),
            "-Dfile.encoding=UTF-8",
            "-cp",
            // Trino itself brings the annotations to its plugins.
            PLUGIN.toAbsolutePath()
                + "/*"
                + File.pathSeparator
                + Path.of(
                    Class.forName("com.fasterxml.jackson.annotation.JsonView")
                        .getProtectionDomain()
                        .getCodeSource()
                        .getLocation()
                        .toURI()),
            Path.of("src/test/resources/interop/Peer.java").toAbsolutePath().toString());
    builder.command().addAll(List.of(args));
    Process process =
        builder
            .redirectOutput(out.toFile())
            .redirectError(directory.resolve("peer.err").toFile())
            .start();
    try {
      assertThat(process.waitFor(120, TimeUnit.SECONDS)).as("the peer ended").isTrue();
      assertThat(process.exitValue()).as(() -> read(directory.resolve("peer.err"))).isZero();
    } finally {
      process.destroyForcibly();
    }
    return Files.readString(out, StandardCharsets.UTF_8).strip();
  }

  private static String read(Path file) {
    try {
      return Files.readString(file);
    } catch (IOException e) {
      return e.toString();
    }
  }

  private static byte[] first(KafkaSettings kafka, String topic) {
    TopicPartition partition = new TopicPartition(topic, 0);
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      consumer.assign(List.of(partition));
      return consumer.poll(Duration.ofSeconds(30)).records(partition).get(0).value();
    }
  }
}
