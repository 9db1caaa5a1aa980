package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.GroupListing;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class PoolAdminTest {
  private static final int UNPACKED = Integer.getInteger("fisherstreams.unpacked", 20 << 20);

  @TempDir static Path directory;
  private static EmbeddedBroker broker;
  private static KafkaSettings kafka;
  private static Admin admin;

  @BeforeAll
  static void start() {
    broker = EmbeddedBroker.start(directory, 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    // A producer that was let in too early fails within this time instead of two minutes.
    kafka =
        new KafkaSettings(
            broker.bootstrapServers(),
            Map.of("delivery.timeout.ms", "20000", "request.timeout.ms", "10000"));
    admin = kafka.admin();
  }

  @AfterAll
  static void stop() {
    admin.close();
    broker.close();
  }

  @Test
  void createdTopicsServeProducersAtOnce() throws Exception {
    for (int pool = 0; pool < 8; pool++) {
      PoolTopics topics = topics("eager-" + pool);
      admin(topics).create(8, Optional.empty());
      byte[] ownBatch = new byte[700_000];
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
        for (int record = 0; record < 24; record++) {
          sent.add(
              producer.send(
                  new ProducerRecord<>(
                      topics.checkpointShards().name(), record % 8, new byte[] {1}, ownBatch)));
        }
      }
      for (int record = 0; record < 24; record++) {
        assertThat(sent.get(record).get().offset()).isEqualTo(record / 8);
      }
    }
  }

  /** Brokers check the packed size first; a reader gets what the record is unpacked. */
  @ParameterizedTest
  @ValueSource(strings = {"gzip", "snappy", "lz4", "zstd"})
  void aRecordThatIsSmallPackedAndHugeUnpackedIsRejectedWhenItIsSent(String compression) {
    PoolTopics topics = topics("packed-" + compression);
    admin(topics).create(1, Optional.empty());
    Map<String, String> client = new HashMap<>(kafka.client());
    client.put(ProducerConfig.COMPRESSION_TYPE_CONFIG, compression);
    client.put(ProducerConfig.MAX_REQUEST_SIZE_CONFIG, Integer.toString(1 << 30));
    client.put(ProducerConfig.BUFFER_MEMORY_CONFIG, Integer.toString(64 << 20));
    byte[] huge = new byte[UNPACKED];
    byte[] key = {1};
    try (Producer<byte[], byte[]> producer =
        new KafkaSettings(kafka.bootstrapServers(), client).newProducer()) {
      for (Topic<?, ?> topic : topics.all()) {
        assertThatThrownBy(
                () -> producer.send(new ProducerRecord<>(topic.name(), 0, key, huge)).get())
            .as(topic.name())
            .hasCauseInstanceOf(RecordTooLargeException.class);
        assertThatThrownBy(
                () -> producer.send(new ProducerRecord<>(topic.name(), 0, huge, key)).get())
            .as("key of " + topic.name())
            .hasCauseInstanceOf(RecordTooLargeException.class);
        assertThatCode(
                () -> producer.send(new ProducerRecord<>(topic.name(), 0, key, new byte[1])).get())
            .as("a small one on " + topic.name())
            .doesNotThrowAnyException();
      }
    }
  }

  @Test
  void creatingAgainCreatesNothing() {
    PoolTopics topics = topics("again");
    assertThat(admin(topics).create(3, Optional.empty())).hasSize(topics.all().size());
    assertThat(admin(topics).create(3, Optional.empty())).isEmpty();
    assertThat(admin(topics).check()).isEqualTo(3);
  }

  @Test
  void rejectsAnotherNumberOfPartitions() {
    PoolTopics topics = topics("partitions");
    admin(topics).create(2, Optional.empty());
    assertThatThrownBy(() -> admin(topics).create(4, Optional.empty()))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("has 2 partitions, asked for 4");
  }

  @Test
  void rejectsATopicOfAnotherLimitWithTheCommandThatFixesIt() throws Exception {
    PoolTopics topics = topics("limit");
    admin(topics).create(2, Optional.empty());
    String topic = topics.gradientBatches().name();
    admin
        .incrementalAlterConfigs(
            Map.of(
                new ConfigResource(ConfigResource.Type.TOPIC, topic),
                List.of(
                    new AlterConfigOp(
                        new ConfigEntry("max.message.bytes", "1000000"),
                        AlterConfigOp.OpType.SET))))
        .all()
        .get();
    // The broker learns of the change a moment after the controller has confirmed it.
    await()
        .untilAsserted(
            () ->
                assertThatThrownBy(() -> admin(topics).check())
                    .isInstanceOf(InvalidInput.class)
                    .hasMessageContaining(topic + " has max.message.bytes=1000000")
                    .hasMessageContaining(
                        "--add-config max.message.bytes=" + PoolTopics.MAX_RECORD_BYTES));
  }

  @Test
  void rejectsAMissingTopic() {
    assertThatThrownBy(() -> admin(topics("nowhere")).check())
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("does not exist")
        .hasMessageContaining("topics create --pool nowhere");
  }

  @Test
  void deletingAPoolDeletesTheGroupsOfAllItsStagesAndNoOthers() throws Exception {
    PoolTopics topics = topics("gone");
    PoolTopics others = topics("gone-webhook-of"); // its groups look like a webhook's of the first
    admin(topics).create(1, Optional.empty());
    admin(others).create(1, Optional.empty());
    List<String> own =
        List.of("gone-gradient", "gone-merge", "gone-coordinator", "gone-gate", "gone-webhook-ops");
    for (String group : own) {
      commit(group, topics);
    }
    commit("gone-webhook-of-merge", others);

    admin(topics).delete();

    assertThat(admin.listGroups().all().get())
        .extracting(GroupListing::groupId)
        .doesNotContainAnyElementsOf(own)
        .contains("gone-webhook-of-merge");
    assertThat(admin.listTopics().names().get())
        .doesNotContain(topics.releases().name())
        .contains(others.releases().name());
  }

  @Test
  void aPoolThatIsPurgedPassesTheCheckAndGetsItsSettingsBack() throws Exception {
    PoolTopics topics = topics("purged");
    admin(topics).create(1, Optional.empty());
    set(topics.models().name(), "min.cleanable.dirty.ratio", "0.25");
    awaitOwn(topics.models().name(), "min.cleanable.dirty.ratio", "0.25");
    Map<String, Map<String, String>> all = new HashMap<>();
    for (Topic<?, ?> topic : List.of(topics.models(), topics.checkpointShards())) {
      all.put(topic.name(), topic.config());
    }
    Map<String, String> models = own(topics.models().name());
    Map<String, String> shards = own(topics.checkpointShards().name());
    try (ForcedCompaction forced = new ForcedCompaction(admin, all)) {
      assertThat(forced).isNotNull();
      awaitOwn(topics.checkpointShards().name(), "min.compaction.lag.ms", "0");
      assertThat(admin(topics).check()).isEqualTo(1);
    }
    awaitOwn(topics.checkpointShards().name(), "min.compaction.lag.ms", "3600000");
    assertThat(own(topics.checkpointShards().name())).isEqualTo(shards);
    await().untilAsserted(() -> assertThat(own(topics.models().name())).isEqualTo(models));

    new ForcedCompaction(admin, all); // killed
    awaitOwn(topics.checkpointShards().name(), "min.compaction.lag.ms", "0");
    new ForcedCompaction(admin, all).close();
    await()
        .untilAsserted(() -> assertThat(own(topics.checkpointShards().name())).isEqualTo(shards));
    set(topics.checkpointShards().name(), "min.compaction.lag.ms", "0");
    awaitOwn(topics.checkpointShards().name(), "min.compaction.lag.ms", "0");
    assertThatThrownBy(() -> admin(topics).check()).hasMessageContaining("min.compaction.lag.ms=0");
  }

  private static void set(String topic, String name, String value) throws Exception {
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    AlterConfigOp set = new AlterConfigOp(new ConfigEntry(name, value), AlterConfigOp.OpType.SET);
    admin.incrementalAlterConfigs(Map.of(resource, List.of(set))).all().get();
  }

  /** The settings that a topic has of its own. */
  private static Map<String, String> own(String topic) throws Exception {
    ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, topic);
    Map<String, String> own = new HashMap<>();
    for (ConfigEntry entry :
        admin.describeConfigs(List.of(resource)).all().get().get(resource).entries()) {
      if (entry.source() == ConfigEntry.ConfigSource.DYNAMIC_TOPIC_CONFIG) {
        own.put(entry.name(), entry.value());
      }
    }
    return own;
  }

  private static void awaitOwn(String topic, String name, String value) {
    await().untilAsserted(() -> assertThat(own(topic)).containsEntry(name, value));
  }

  private static void commit(String group, PoolTopics topics) throws Exception {
    TopicPartition releases = new TopicPartition(topics.releases().name(), 0);
    admin.alterConsumerGroupOffsets(group, Map.of(releases, new OffsetAndMetadata(0))).all().get();
  }

  private static PoolTopics topics(String pool) {
    return new PoolTopics(pool, SchemaRegistry.inMemory());
  }

  private static PoolAdmin admin(PoolTopics topics) {
    return new PoolAdmin(admin, topics);
  }
}
