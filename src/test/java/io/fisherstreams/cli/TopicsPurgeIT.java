package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.TopicReader;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.ConfigEntry.ConfigSource;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** After a withdrawal and a purge, no topic has any byte of the model's weights. */
final class TopicsPurgeIT {
  private static final float[] SECRET = {0x1.2345p-23f, 0x1.7654p33f};

  @TempDir private Path directory;

  @Test
  void nothingOfAWithdrawnModelIsReadableAfterwards() throws Exception {
    try (CommandPool pool =
        new CommandPool(
            directory,
            2,
            new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of()))) {
      publish(pool, "base", new float[] {0, 0}, "--base");
      publish(pool, "kept", new float[] {1, 2});
      fisher(pool, "kept", new float[] {1, 1});
      publish(pool, "secret", SECRET);
      fisher(pool, "secret", SECRET);
      Map<String, Map<String, String>> settings = settings(pool);
      assertThat(pool.output("topics", "purge")).contains("nothing is left of a withdrawn");
      assertThat(pool.output("withdraw", "secret", "--wait")).contains("release ");
      assertThat(recordsWith(pool, bytes(SECRET))).isNotEmpty();

      String dry = pool.output("topics", "purge", "--dry-run");
      assertThat(dry)
          .containsPattern("left of secret@\\d+:")
          .containsPattern("pool.checkpoint-shards +1 +\\d+")
          .containsPattern("pool.gradient-batches +1 +\\d+")
          .doesNotContain("removed");
      assertThat(recordsWith(pool, bytes(SECRET))).isNotEmpty();

      assertThat(pool.output("topics", "purge")).contains("all of it is removed");
      assertThat(recordsWith(pool, bytes(SECRET)))
          .as("topics with the model's weights")
          .isSubsetOf("pool.merged-tensors");
      assertThat(settings(pool)).isEqualTo(settings);
      assertThat(pool.output("topics", "purge", "--dry-run")).contains("nothing is left of");

      // The pool goes on, and a restart finds what it needs.
      assertThat(pool.output("weight", "kept", "0.25", "--wait")).contains("has it");
      pool.restartStages();
      assertThat(pool.output("weight", "kept", "0.5", "--wait")).contains("has it");
    }
  }

  @Test
  void whatTheStagesHaveNotRemovedIsNamed() throws Exception {
    try (CommandPool pool =
        new CommandPool(
            directory,
            1,
            new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of()))) {
      publish(pool, "base", new float[] {0, 0}, "--base");
      publish(pool, "a", new float[] {1, 2});
      fisher(pool, "a", new float[] {1, 1});
      pool.stopStages();
      // a shard that no stage knows, as an earlier version of the software left them
      leave(pool, "w[0] secret@7");
      assertThat(pool.output("topics", "purge"))
          .contains("left of secret@7:")
          .contains("all of it is removed");
      pool.output("withdraw", "a");
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      PrintStream before = System.err;
      System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
      try {
        assertThat(pool.run("topics", "purge", "--timeout", "1s")).isEqualTo(1);
      } finally {
        System.setErr(before);
      }
      assertThat(said.toString(StandardCharsets.UTF_8))
          .containsPattern("a@\\d+: withdrawn, but the merge stage has not removed it");
    }
  }

  private static void publish(CommandPool pool, String model, float[] values, String... more) {
    List<String> line =
        new ArrayList<>(
            List.of(
                "publish", "checkpoint", pool.file(model, Map.of("w", values)), "--model", model));
    line.addAll(List.of(more));
    pool.output(line.toArray(String[]::new));
  }

  private static void fisher(CommandPool pool, String model, float[] values) {
    String file = pool.file(model + "-fisher", Map.of("w", values));
    assertThat(pool.output("publish", "fisher", file, "--model", model, "--wait"))
        .contains("has it");
  }

  private static byte[] bytes(float[] values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    byte[] array = new byte[bytes.remaining()];
    bytes.get(array);
    return array;
  }

  private static void leave(CommandPool pool, String key) throws Exception {
    try (Producer<byte[], byte[]> producer = pool.kafka.newProducer()) {
      producer
          .send(
              new ProducerRecord<>(
                  pool.topics.checkpointShards().name(),
                  0,
                  key.getBytes(StandardCharsets.UTF_8),
                  bytes(SECRET)))
          .get();
    }
  }

  /** The topics of the cluster that have these bytes anywhere, aborted records included. */
  private static Set<String> recordsWith(CommandPool pool, byte[] wanted) throws Exception {
    Map<String, Integer> found = new TreeMap<>();
    try (Admin admin = pool.kafka.admin();
        Consumer<byte[], byte[]> consumer = pool.kafka.newDefaultConsumer()) {
      for (String topic : admin.listTopics().names().get()) {
        List<TopicPartition> partitions =
            consumer.partitionsFor(topic).stream()
                .map(info -> new TopicPartition(topic, info.partition()))
                .toList();
        consumer.assign(partitions);
        consumer.seekToBeginning(partitions);
        TopicReader.readToEnd(
            consumer,
            partitions,
            record -> {
              if (has(record, wanted)) {
                found.merge(topic, 1, Integer::sum);
              }
            });
      }
    }
    return found.keySet();
  }

  private static boolean has(ConsumerRecord<byte[], byte[]> record, byte[] wanted) {
    if (record.value() == null) {
      return false;
    }
    String value = new String(record.value(), StandardCharsets.ISO_8859_1);
    return value.contains(new String(wanted, StandardCharsets.ISO_8859_1));
  }

  /** Each topic's own settings. */
  private static Map<String, Map<String, String>> settings(CommandPool pool) throws Exception {
    Map<String, Map<String, String>> all = new HashMap<>();
    try (Admin admin = pool.kafka.admin()) {
      List<ConfigResource> topics =
          admin.listTopics().names().get().stream()
              .map(name -> new ConfigResource(ConfigResource.Type.TOPIC, name))
              .toList();
      admin
          .describeConfigs(topics)
          .all()
          .get()
          .forEach(
              (topic, config) -> {
                Map<String, String> own = new TreeMap<>();
                for (ConfigEntry entry : config.entries()) {
                  if (entry.source() == ConfigSource.DYNAMIC_TOPIC_CONFIG) {
                    own.put(entry.name(), entry.value());
                  }
                }
                all.put(topic.name(), own);
              });
    }
    return all;
  }
}
