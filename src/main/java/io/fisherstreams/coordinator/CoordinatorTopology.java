package io.fisherstreams.coordinator;

import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.coordinator.state.RetiredVersion;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.serde.StateSerde;
import java.time.InstantSource;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The coordinator.
 *
 * <pre>
 * models ─────────┐                 ┌─▶ merge-plans (a copy to every partition)
 * progress ───────┼─▶ coordinator ──┼─▶ releases
 * alias-requests ─┘       │         ├─▶ aliases
 *                         │         ├─▶ models (corrections)
 *                         │         └─▶ dead-letters
 *   manifests, progress, retired, state, aliases, releases
 * </pre>
 */
public final class CoordinatorTopology implements Supplier<Topology> {
  /** Manifests of every version that is not retired. */
  public static final String MANIFESTS = "coordinator-manifests";

  /** Reports of the merge stage's partitions on those versions. */
  public static final String PROGRESS = "coordinator-progress";

  /** Versions that are retired and that partitions may still have. */
  public static final String RETIRED = "coordinator-retired";

  /** The plan under way and the releases that are kept. */
  public static final String STATE = "coordinator-state";

  /** Aliases as they were last written. */
  public static final String ALIASES = "coordinator-aliases";

  /** Records of the releases whose tensors are kept. */
  public static final String RELEASES = "coordinator-releases";

  static final String COORDINATOR = "coordinator";
  static final String TO_MERGE_PLANS = "to-merge-plans";
  static final String TO_RELEASES = "to-releases";
  static final String TO_ALIASES = "to-aliases";
  static final String TO_MODELS = "to-models";
  static final String TO_DEAD_LETTERS = "to-dead-letters";

  private final PoolTopics topics;
  private final int partitions;
  private final PlanPolicy policy;
  private final MergedTensorLog mergedTensors;
  private final FailedRecords failures;
  private final InstantSource wallClock;

  /** The coordinator of a pool whose sharded topics have {@code partitions} partitions. */
  public CoordinatorTopology(
      PoolTopics topics,
      int partitions,
      PlanPolicy policy,
      MergedTensorLog mergedTensors,
      FailedRecords failures) {
    this(topics, partitions, policy, mergedTensors, failures, InstantSource.system());
  }

  /**
   * With a clock.
   *
   * @param wallClock gives the times that releases and aliases carry; no wait depends on it
   */
  CoordinatorTopology(
      PoolTopics topics,
      int partitions,
      PlanPolicy policy,
      MergedTensorLog mergedTensors,
      FailedRecords failures,
      InstantSource wallClock) {
    this.wallClock = wallClock;
    this.topics = topics;
    this.partitions = partitions;
    this.policy = policy;
    this.mergedTensors = mergedTensors;
    this.failures = failures;
  }

  @Override
  public Topology get() {
    Topology topology = new Topology();
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    return topology
        .addSource("models", bytes, bytes, topics.models().name())
        .addSource("progress", bytes, bytes, topics.progress().name())
        .addSource("alias-requests", bytes, bytes, topics.aliasRequests().name())
        .addProcessor(COORDINATOR, this::processor, "models", "progress", "alias-requests")
        .addStateStore(manifestStore(), COORDINATOR)
        .addStateStore(store(PROGRESS, PartitionProgress.class), COORDINATOR)
        .addStateStore(store(RETIRED, RetiredVersion.class), COORDINATOR)
        .addStateStore(store(STATE, CoordinatorState.class), COORDINATOR)
        .addStateStore(store(ALIASES, Alias.class), COORDINATOR)
        .addStateStore(store(RELEASES, Release.class), COORDINATOR)
        .addSink(
            TO_MERGE_PLANS,
            topics.mergePlans().name(),
            topics.mergePlans().key().serializer(),
            topics.mergePlans().value().serializer(),
            toEveryPartition(),
            COORDINATOR)
        .addSink(
            TO_RELEASES,
            topics.releases().name(),
            topics.releases().key().serializer(),
            topics.releases().value().serializer(),
            COORDINATOR)
        .addSink(
            TO_ALIASES,
            topics.aliases().name(),
            topics.aliases().key().serializer(),
            topics.aliases().value().serializer(),
            COORDINATOR)
        .addSink(
            TO_MODELS,
            topics.models().name(),
            new ByteArraySerializer(), // a rejected record's key need not be text
            topics.models().value().serializer(),
            COORDINATOR)
        .addSink(
            TO_DEAD_LETTERS,
            topics.deadLetters().name(),
            topics.deadLetters().key().serializer(),
            topics.deadLetters().value().serializer(),
            COORDINATOR);
  }

  /** The topology's one processor, new. */
  public Processor<byte[], byte[], Object, Object> processor() {
    return new CoordinatorProcessor(topics, partitions, policy, mergedTensors, failures, wallClock);
  }

  private static <K, V> StreamPartitioner<K, V> toEveryPartition() {
    return (topic, key, value, count) ->
        Optional.<Set<Integer>>of(IntStream.range(0, count).boxed().collect(Collectors.toSet()));
  }

  private static StoreBuilder<KeyValueStore<String, ModelManifest>> manifestStore() {
    return store(
        MANIFESTS,
        StateSerde.of(ModelManifest.class, PoolTopics.MAX_MANIFEST_BYTES),
        PoolTopics.MAX_MANIFEST_RECORD_BYTES);
  }

  private static <V extends SpecificRecordBase> StoreBuilder<KeyValueStore<String, V>> store(
      String name, Class<V> type) {
    return store(name, StateSerde.of(type), PoolTopics.MAX_RECORD_BYTES);
  }

  private static <V> StoreBuilder<KeyValueStore<String, V>> store(
      String name, Serde<V> serde, int maxRecordBytes) {
    return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.String(), serde)
        .withLoggingEnabled(
            Map.of(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, Integer.toString(maxRecordBytes)))
        // A cache would only keep changes in memory until the next commit.
        .withCachingDisabled();
  }
}
