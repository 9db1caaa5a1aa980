package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.merge.Outbox.RejectedKey;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.KeptSet;
import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.StateSerde;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.function.LongSupplier;
import java.util.function.Supplier;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.processor.StreamPartitioner;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.StoreBuilder;
import org.apache.kafka.streams.state.Stores;

/**
 * The merge stage.
 *
 * <pre>
 * checkpoint-shards ─┐          ┌─▶ merged-tensors
 * gradient-batches ──┼─▶ merge ─┼─▶ progress
 * merge-plans ───────┘     │    ├─▶ dead-letters
 *                          │    └─▶ checkpoint-shards, gradient-batches (sealed sums, tombstones,
 *                          │        accepted content after a rejected record of its key, or that
 *                          │        record's tombstone)
 *      manifests, shards, folded, counts, plans, sums
 * </pre>
 *
 * One processor reads all three topics, so that a shard's checkpoint, its Fisher and the plan that
 * merges them meet in one task. The stores have metadata only. Payloads are in local files, which
 * are restored from the payload topics themselves, so that no tensor is written to a changelog.
 */
public final class MergeTopology implements Supplier<Topology> {
  /** Manifests of the model versions of which a partition has shards. */
  public static final String MANIFESTS = "manifests";

  /** State of each shard of each version. */
  public static final String SHARDS = "shards";

  /** Gradient batches that were folded into a shard's partial sum, one entry for each fold. */
  public static final String FOLDED = "folded";

  /** How much of each version has arrived. */
  public static final String COUNTS = "counts";

  /** The newest plan and its progress. */
  public static final String PLANS = "plans";

  /** The models that the kept sums hold. */
  public static final String SUMS = "sums";

  static final String MERGE = "merge";
  static final String TO_MERGED_TENSORS = "to-merged-tensors";
  static final String TO_PROGRESS = "to-progress";
  static final String TO_DEAD_LETTERS = "to-dead-letters";
  static final String TO_CHECKPOINT_SHARDS = "to-checkpoint-shards";
  static final String TO_GRADIENT_BATCHES = "to-gradient-batches";

  static final String TO_REJECTED_CHECKPOINT_SHARDS = "to-rejected-checkpoint-shards";
  static final String TO_REJECTED_GRADIENT_BATCHES = "to-rejected-gradient-batches";

  private final PoolTopics topics;
  private final int partitions;
  private final ModelCatalog catalog;
  private final PayloadStore store;
  private final PayloadLog log;
  private final LocalPayloads local;
  private final FailedRecords failures;
  private final MergeKernel.Factory kernels;
  private final LongSupplier nanoTime;

  /**
   * The stage for one pool.
   *
   * @param partitions number of partitions of the pool's sharded topics
   * @param catalog the pool's models
   * @param store where this process keeps payloads
   * @param log from where payloads are restored
   * @param local which payloads are kept in the store
   * @param failures counts the records that made the stage fail
   * @param kernels makes what adds models
   */
  public MergeTopology(
      PoolTopics topics,
      int partitions,
      ModelCatalog catalog,
      PayloadStore store,
      PayloadLog log,
      LocalPayloads local,
      FailedRecords failures,
      MergeKernel.Factory kernels) {
    this(topics, partitions, catalog, store, log, local, failures, kernels, System::nanoTime);
  }

  /** The stage with a clock for the time budget of steps. */
  MergeTopology(
      PoolTopics topics,
      int partitions,
      ModelCatalog catalog,
      PayloadStore store,
      PayloadLog log,
      LocalPayloads local,
      FailedRecords failures,
      MergeKernel.Factory kernels,
      LongSupplier nanoTime) {
    this.topics = topics;
    this.partitions = partitions;
    this.catalog = catalog;
    this.store = store;
    this.log = log;
    this.local = local;
    this.failures = failures;
    this.kernels = kernels;
    this.nanoTime = nanoTime;
  }

  @Override
  public Topology get() {
    Topology topology = new Topology();
    ByteArrayDeserializer bytes = new ByteArrayDeserializer();
    topology
        .addSource("checkpoint-shards", bytes, bytes, topics.checkpointShards().name())
        .addSource("gradient-batches", bytes, bytes, topics.gradientBatches().name())
        .addSource("merge-plans", bytes, bytes, topics.mergePlans().name())
        .addProcessor(
            MERGE, this::processor, "checkpoint-shards", "gradient-batches", "merge-plans")
        .addStateStore(
            store(MANIFESTS, manifestSerde(), PoolTopics.MAX_MANIFEST_RECORD_BYTES), MERGE)
        .addStateStore(store(SHARDS, StateSerde.of(ShardState.class)), MERGE)
        .addStateStore(store(FOLDED, StateSerde.of(FoldedBatches.class)), MERGE)
        .addStateStore(store(COUNTS, StateSerde.of(ModelCounts.class)), MERGE)
        .addStateStore(store(PLANS, StateSerde.of(PlanState.class)), MERGE)
        .addStateStore(store(SUMS, StateSerde.of(KeptSet.class)), MERGE);
    sink(topology, TO_MERGED_TENSORS, topics.mergedTensors());
    sink(topology, TO_PROGRESS, topics.progress());
    sink(topology, TO_DEAD_LETTERS, topics.deadLetters());
    shardSink(topology, TO_CHECKPOINT_SHARDS, topics.checkpointShards());
    shardSink(topology, TO_GRADIENT_BATCHES, topics.gradientBatches());
    rejectedSink(topology, TO_REJECTED_CHECKPOINT_SHARDS, topics.checkpointShards());
    rejectedSink(topology, TO_REJECTED_GRADIENT_BATCHES, topics.gradientBatches());
    return topology;
  }

  /**
   * The changelog of one of the stage's stores; it has as many partitions as the sharded topics.
   */
  static <V extends SpecificRecordBase> Topic<String, V> changelog(
      PoolTopics topics, String store, Class<V> type) {
    String name = Stage.MERGE.group(topics.pool()) + "-" + store + "-changelog";
    return new Topic<>(name, Serdes.String(), StateSerde.of(type), true, Map.of());
  }

  /** A new instance of the topology's only processor. */
  public Processor<byte[], byte[], Object, Object> processor() {
    return new MergeProcessor(
        topics, partitions, catalog, store, log, local, failures, kernels, nanoTime);
  }

  private static Serde<ModelManifest> manifestSerde() {
    return StateSerde.of(ModelManifest.class, PoolTopics.MAX_MANIFEST_BYTES);
  }

  private static <V extends SpecificRecordBase> StoreBuilder<KeyValueStore<String, V>> store(
      String name, Serde<V> serde) {
    return store(name, serde, PoolTopics.MAX_RECORD_BYTES);
  }

  private static <V extends SpecificRecordBase> StoreBuilder<KeyValueStore<String, V>> store(
      String name, Serde<V> serde, int maxRecordBytes) {
    return Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore(name), Serdes.String(), serde)
        .withLoggingEnabled(
            Map.of(TopicConfig.MAX_MESSAGE_BYTES_CONFIG, Integer.toString(maxRecordBytes)))
        // A cached entry would keep its whole source record, with a mebibyte of payload.
        .withCachingDisabled();
  }

  private static <K, V> void sink(Topology topology, String name, Topic<K, V> topic) {
    topology.addSink(
        name, topic.name(), topic.key().serializer(), topic.value().serializer(), MERGE);
  }

  private static <V> void shardSink(Topology topology, String name, Topic<ShardKey, V> topic) {
    topology.addSink(
        name,
        topic.name(),
        topic.key().serializer(),
        topic.value().serializer(),
        ShardKey.<V>partitioner(),
        MERGE);
  }

  /** Tombstones of rejected records. */
  private static void rejectedSink(Topology topology, String name, Topic<?, ?> topic) {
    StreamPartitioner<RejectedKey, byte[]> whereItIs =
        (sink, key, value, partitions) -> Optional.of(Set.of(key.partition()));
    topology.addSink(
        name,
        topic.name(),
        (Serializer<RejectedKey>) (sink, key) -> key.key(),
        new ByteArraySerializer(),
        whereItIs,
        MERGE);
  }
}
