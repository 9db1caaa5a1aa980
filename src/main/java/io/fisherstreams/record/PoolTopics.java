package io.fisherstreams.record;

import static org.apache.kafka.common.config.TopicConfig.CLEANUP_POLICY_COMPACT;
import static org.apache.kafka.common.config.TopicConfig.CLEANUP_POLICY_CONFIG;
import static org.apache.kafka.common.config.TopicConfig.CLEANUP_POLICY_DELETE;
import static org.apache.kafka.common.config.TopicConfig.COMPRESSION_TYPE_CONFIG;
import static org.apache.kafka.common.config.TopicConfig.MAX_MESSAGE_BYTES_CONFIG;
import static org.apache.kafka.common.config.TopicConfig.MIN_COMPACTION_LAG_MS_CONFIG;
import static org.apache.kafka.common.config.TopicConfig.RETENTION_MS_CONFIG;

import io.fisherstreams.record.serde.AvroSerde;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.Shard;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.apache.avro.specific.SpecificRecord;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/**
 * The topics of one pool: name, key, value and configuration of each.
 *
 * <p>{@code checkpoint-shards} and {@code gradient-batches} hold every payload that the merge stage
 * needs: they are compacted, their keys are unique, and the stage writes tombstones for payloads
 * that a plan retires.
 */
public final class PoolTopics {
  /**
   * The largest record of any topic, producer and changelog: a float64 shard, its names, and what
   * Kafka adds. One constant, because a record that one hop accepts and the next rejects stops a
   * stage.
   */
  public static final int MAX_RECORD_BYTES = Shard.MAX_BYTES + (512 << 10);

  /**
   * The largest value, which leaves room for the key. A value must not reach the brokers and be
   * rejected there: together with smaller records in its batch, a producer splits and sends it
   * again and again.
   */
  public static final int MAX_VALUE_BYTES = MAX_RECORD_BYTES - (16 << 10);

  /**
   * The largest record of {@code models} and of its copies: a manifest of 100,000 tensors with
   * names of 60 characters. Managed Kafka services allow no more.
   */
  public static final int MAX_MANIFEST_RECORD_BYTES = 8 << 20;

  /** The largest manifest. */
  public static final int MAX_MANIFEST_BYTES = MAX_MANIFEST_RECORD_BYTES - (16 << 10);

  /** Room above {@link #MAX_RECORD_BYTES} for the reason headers of a dead letter. */
  public static final int MAX_DEAD_LETTER_BYTES = MAX_RECORD_BYTES + (64 << 10);

  // Log compaction reads and writes a whole payload topic, so it waits until a burst of models has
  // arrived.
  private static final String PAYLOAD_COMPACTION_LAG =
      Long.toString(Duration.ofHours(1).toMillis());

  private static final String TWO_WEEKS = Long.toString(Duration.ofDays(14).toMillis());

  private final String pool;
  private final SchemaRegistry registry;
  private final Topic<String, ModelManifest> models;
  private final Topic<ShardKey, CheckpointShard> checkpointShards;
  private final Topic<ShardKey, GradientBatch> gradientBatches;
  private final Topic<ExampleKey, LabelledExample> examples;
  private final Topic<String, CountedExamples> countedExamples;
  private final Topic<String, MergePlan> mergePlans;
  private final Topic<String, PartitionProgress> progress;
  private final Topic<String, MergedTensor> mergedTensors;
  private final Topic<String, Release> releases;
  private final Topic<String, AliasRequest> aliasRequests;
  private final Topic<String, Alias> aliases;
  private final Topic<byte[], byte[]> deadLetters;

  /**
   * The topics of a pool.
   *
   * @param pool prefix of all their names
   * @param registry where their schemas are registered
   */
  public PoolTopics(String pool, SchemaRegistry registry) {
    this.pool = pool;
    this.registry = registry;
    Map<String, String> compacted = Map.of(CLEANUP_POLICY_CONFIG, CLEANUP_POLICY_COMPACT);
    Map<String, String> payload =
        Map.of(
            CLEANUP_POLICY_CONFIG, CLEANUP_POLICY_COMPACT,
            MIN_COMPACTION_LAG_MS_CONFIG, PAYLOAD_COMPACTION_LAG);
    Map<String, String> unlimited =
        Map.of(CLEANUP_POLICY_CONFIG, CLEANUP_POLICY_DELETE, RETENTION_MS_CONFIG, "-1");
    models =
        topic(
            "models",
            Serdes.String(),
            AvroSerde.of(registry, ModelManifest.class, MAX_MANIFEST_BYTES),
            false,
            Map.of(
                CLEANUP_POLICY_CONFIG,
                CLEANUP_POLICY_COMPACT,
                MAX_MESSAGE_BYTES_CONFIG,
                Integer.toString(MAX_MANIFEST_RECORD_BYTES)));
    Serde<ShardKey> shardKey = Serdes.serdeFrom(ShardKey.serializer(), new WriteOnly<>());
    checkpointShards =
        topic("checkpoint-shards", shardKey, avro(registry, CheckpointShard.class), true, payload);
    gradientBatches =
        topic("gradient-batches", shardKey, avro(registry, GradientBatch.class), true, payload);
    examples =
        topic(
            "examples",
            Serdes.serdeFrom(ExampleKey.serializer(), new WriteOnly<>()),
            avro(registry, LabelledExample.class),
            true,
            unlimited);
    countedExamples =
        topic(
            "counted-examples",
            Serdes.String(),
            avro(registry, CountedExamples.class),
            true,
            compacted);
    mergePlans =
        topic("merge-plans", Serdes.String(), avro(registry, MergePlan.class), true, compacted);
    progress =
        topic(
            "progress", Serdes.String(), avro(registry, PartitionProgress.class), false, compacted);
    mergedTensors =
        topic(
            "merged-tensors", Serdes.String(), avro(registry, MergedTensor.class), true, unlimited);
    releases = topic("releases", Serdes.String(), avro(registry, Release.class), false, compacted);
    aliasRequests =
        topic(
            "alias-requests",
            Serdes.String(),
            avro(registry, AliasRequest.class),
            false,
            Map.of(CLEANUP_POLICY_CONFIG, CLEANUP_POLICY_DELETE, RETENTION_MS_CONFIG, TWO_WEEKS));
    aliases = topic("aliases", Serdes.String(), avro(registry, Alias.class), false, compacted);
    deadLetters =
        topic(
            "dead-letters",
            Serdes.ByteArray(),
            Serdes.ByteArray(),
            false,
            Map.of(
                CLEANUP_POLICY_CONFIG, CLEANUP_POLICY_DELETE,
                RETENTION_MS_CONFIG, TWO_WEEKS,
                MAX_MESSAGE_BYTES_CONFIG, Integer.toString(MAX_DEAD_LETTER_BYTES)));
  }

  private static <V extends SpecificRecord> Serde<V> avro(SchemaRegistry registry, Class<V> type) {
    return AvroSerde.of(registry, type, MAX_VALUE_BYTES);
  }

  private <K, V> Topic<K, V> topic(
      String name, Serde<K> key, Serde<V> value, boolean sharded, Map<String, String> config) {
    Map<String, String> full = new HashMap<>(config);
    full.putIfAbsent(MAX_MESSAGE_BYTES_CONFIG, Integer.toString(MAX_RECORD_BYTES));
    // Brokers unpack what a producer has compressed, and the limit then holds for what they store:
    // a record that is small compressed and huge unpacked is rejected when it is sent.
    full.put(COMPRESSION_TYPE_CONFIG, "uncompressed");
    return new Topic<>(pool + "." + name, key, value, sharded, full);
  }

  /** The pool's name. */
  public String pool() {
    return pool;
  }

  /** Manifests by model; a tombstone withdraws. */
  public Topic<String, ModelManifest> models() {
    return models;
  }

  /** Checkpoints, shard by shard. */
  public Topic<ShardKey, CheckpointShard> checkpointShards() {
    return checkpointShards;
  }

  /** Gradient batches, shard by shard. */
  public Topic<ShardKey, GradientBatch> gradientBatches() {
    return gradientBatches;
  }

  /** Labelled examples, each until it is counted. */
  public Topic<ExampleKey, LabelledExample> examples() {
    return examples;
  }

  /** Which examples are counted, by model version. */
  public Topic<String, CountedExamples> countedExamples() {
    return countedExamples;
  }

  /** Plans, one copy a partition. */
  public Topic<String, MergePlan> mergePlans() {
    return mergePlans;
  }

  /** Reports of the merge stage's partitions: what they hold and have merged. */
  public Topic<String, PartitionProgress> progress() {
    return progress;
  }

  /** Merged shards by parameter name. */
  public Topic<String, MergedTensor> mergedTensors() {
    return mergedTensors;
  }

  /** Releases by id. */
  public Topic<String, Release> releases() {
    return releases;
  }

  /** Requests to move aliases. */
  public Topic<String, AliasRequest> aliasRequests() {
    return aliasRequests;
  }

  /** Releases by alias. */
  public Topic<String, Alias> aliases() {
    return aliases;
  }

  /** Rejected records, unchanged, with the reason in their headers. */
  public Topic<byte[], byte[]> deadLetters() {
    return deadLetters;
  }

  /** All topics. */
  public List<Topic<?, ?>> all() {
    return List.of(
        models,
        checkpointShards,
        gradientBatches,
        examples,
        countedExamples,
        mergePlans,
        progress,
        mergedTensors,
        releases,
        aliasRequests,
        aliases,
        deadLetters);
  }

  /**
   * Deletes the subjects of all topics from the schema registry.
   *
   * @throws io.fisherstreams.InvalidInput when one is left, with the reason
   */
  public void deleteSubjects() {
    for (Topic<?, ?> topic : all()) {
      if (!topic.name().equals(deadLetters.name())) { // has records of all kinds, and no schema
        registry.delete(AvroSerde.subject(topic.name()));
      }
    }
  }

  /** Stages compare keys as text and never parse them. */
  private static final class WriteOnly<T>
      implements org.apache.kafka.common.serialization.Deserializer<T> {
    @Override
    public T deserialize(String topic, byte[] data) {
      throw new UnsupportedOperationException("keys of " + topic + " are read as text");
    }
  }
}
