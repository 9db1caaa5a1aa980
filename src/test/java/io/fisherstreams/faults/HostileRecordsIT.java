package io.fisherstreams.faults;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.Shard;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** One record, sent once by a client that may write to a topic, must not stop a pool. */
class HostileRecordsIT {
  @TempDir private static Path directory;
  private static EmbeddedBroker broker;
  private static KafkaSettings kafka;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
  }

  @AfterAll
  static void stop() {
    broker.close();
  }

  private static List<ProducerRecord<byte[], byte[]>> everywhere(
      HostilePool pool, byte[] key, byte[] value) {
    List<ProducerRecord<byte[], byte[]>> records = new ArrayList<>();
    for (Topic<?, ?> topic : pool.topics().all()) {
      for (int partition = 0;
          partition < (topic.sharded() ? HostilePool.PARTITIONS : 1);
          partition++) {
        for (long time : new long[] {-1, Long.MAX_VALUE, 1, 1L << 50}) {
          records.add(HostilePool.at(time, topic.name(), partition, key, value));
        }
      }
    }
    return records;
  }

  @Test
  void aRecordFromOutsideOfTimeStopsNothing() throws Exception {
    try (HostilePool pool = new HostilePool(kafka, "time", directory.resolve("time"))) {
      pool.publish("a", 1);
      pool.requireRelease("a");
      List<String> sent = new ArrayList<>();
      for (ProducerRecord<byte[], byte[]> record :
          everywhere(pool, "key".getBytes(UTF_8), "garbage".getBytes(UTF_8))) {
        Optional<String> at = pool.send(record);
        at.ifPresent(sent::add);
      }
      for (ProducerRecord<byte[], byte[]> record : pool.published("b", 3, -1)) {
        assertThat(pool.send(record)).isPresent();
      }
      pool.requireRelease("b");
      assertThat(sent).isNotEmpty();
    }
  }

  /** The largest model that the limits allow, and one beyond them; of each only one shard comes. */
  @Test
  void aHugeManifestWithOneShardStopsNothing() throws Exception {
    try (HostilePool pool = new HostilePool(kafka, "huge", directory.resolve("huge"))) {
      pool.publish("a", 1);
      pool.requireRelease("a");
      for (int tensors : new int[] {8, 3_000}) {
        List<Parameter> parameters = new ArrayList<>();
        for (int i = 0; i < tensors; i++) {
          parameters.add(new Parameter("t" + i, "F32", List.of(1L << 38), true));
        }
        String model = "huge-" + tensors;
        ModelManifest manifest =
            ModelManifest.newBuilder(HostilePool.manifest(model, 1))
                .setParameters(parameters)
                .build();
        String models = pool.topics().models().name();
        String shards = pool.topics().checkpointShards().name();
        byte[] announced = pool.topics().models().value().serializer().serialize(models, manifest);
        assertThat(pool.send(new ProducerRecord<>(models, 0, model.getBytes(UTF_8), announced)))
            .isPresent();
        int last = (1 << 20) - 1;
        CheckpointShard shard =
            new CheckpointShard(
                model, 1L, "t7", last, java.nio.ByteBuffer.allocate(4 * Shard.ELEMENTS));
        byte[] value =
            pool.topics().checkpointShards().value().serializer().serialize(shards, shard);
        assertThat(
                pool.send(
                    new ProducerRecord<>(
                        shards,
                        Shard.partition("t7", last, HostilePool.PARTITIONS),
                        ShardKey.of(shard).toString().getBytes(UTF_8),
                        value)))
            .isPresent();
      }
      pool.publish("b", 3);
      pool.requireRelease("b");
      assertThat(pool.reasons())
          .anySatisfy(
              reason ->
                  assertThat(reason).startsWith("elements of the model: 824633720832000, at"));
    }
  }

  @Test
  void headersOfAnySizeAndNumberFitADeadLetter() throws Exception {
    try (HostilePool pool = new HostilePool(kafka, "headers", directory.resolve("headers"))) {
      byte[] garbage = "garbage".getBytes(UTF_8);
      for (Topic<?, ?> topic : List.of(pool.topics().models(), pool.topics().checkpointShards())) {
        ProducerRecord<byte[], byte[]> large =
            new ProducerRecord<>(topic.name(), 0, garbage, garbage);
        large.headers().add("large", new byte[2_200_000]);
        ProducerRecord<byte[], byte[]> many =
            new ProducerRecord<>(topic.name(), 0, garbage, garbage);
        for (int i = 0; i < 80_000; i++) {
          many.headers().add("fisherstreams.reason", new byte[0]);
        }
        ProducerRecord<byte[], byte[]> longKey =
            new ProducerRecord<>(topic.name(), 0, new byte[2_200_000], garbage);
        for (ProducerRecord<byte[], byte[]> record : List.of(large, many, longKey)) {
          assertThat(pool.send(record)).as(topic.name()).isPresent();
        }
      }
      pool.publish("a", 1);
      pool.requireRelease("a");
      assertThat(pool.records(pool.topics().deadLetters())).hasSize(6);
    }
  }

  /** Seeded: -Dfisherstreams.seed=N repeats a run. */
  @Test
  void mutatedRecordsOnEveryTopicStopNothing() throws Exception {
    requireMutationsStopNothing(100, 1);
  }

  @Test
  @Tag("faults")
  void manyMutatedRecordsOnEveryTopicStopNothing() throws Exception {
    requireMutationsStopNothing(3_000, 5);
  }

  private static void requireMutationsStopNothing(int records, int rounds) throws Exception {
    long seed = Long.getLong("fisherstreams.seed", 20_261_129L);
    System.out.println("seed " + seed);
    String name = "mutated-" + records;
    try (HostilePool pool = new HostilePool(kafka, name, directory.resolve(name))) {
      Mutations mutations = new Mutations(pool, seed);
      pool.publish("a", 1);
      pool.publish("b", 3);
      pool.requireRelease("b");
      for (int round = 1; round <= rounds; round++) {
        for (int i = 0; i < records / rounds; i++) {
          pool.send(mutations.next());
        }
        // a mutation may have withdrawn or replaced the base: that is its right
        pool.publishBase((1L << 40) + round);
        pool.publish("good-" + round, round);
        pool.requireRelease("good-" + round);
      }
      pool.requireExamplesHandled();
      System.out.println(mutations.counts() + ", dead letters: " + pool.reasons().size());
    }
  }
}
