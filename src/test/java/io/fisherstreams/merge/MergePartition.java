package io.fisherstreams.merge;

import io.fisherstreams.files.FileTree;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.KeptSet;
import io.fisherstreams.merge.state.ModelCounts;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.record.serde.StateSerde;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import org.apache.avro.specific.SpecificRecordBase;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.processor.TaskId;
import org.apache.kafka.streams.processor.api.MockProcessorContext;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * What the classes of one partition share, without Kafka: stores in memory, payload files in a
 * folder, topics as lists of values, and a context that keeps what is sent.
 */
final class MergePartition implements AutoCloseable {
  final PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
  final Map<String, ModelManifest> catalog = new HashMap<>();
  final KeyValueStore<String, ShardState> shards;
  final KeyValueStore<String, FoldedBatches> folded;
  final PartitionContext context;
  final Path files;
  private final Map<String, List<byte[]>> log = new HashMap<>();
  private final MockProcessorContext<Object, Object> processor;
  private final PayloadStore store;
  private final PartitionPayloads payloads;
  private int reads;

  MergePartition(Path directory) {
    this(directory, LocalPayloads.ALL);
  }

  MergePartition(Path directory, LocalPayloads local) {
    Properties config = new Properties();
    config.put(StreamsConfig.APPLICATION_ID_CONFIG, "merge");
    config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:9092");
    processor =
        new MockProcessorContext<>(config, new TaskId(0, 0), directory.resolve("state").toFile());
    processor.setCurrentSystemTimeMs(0);
    shards = store("shards", ShardState.class);
    folded = store("folded", FoldedBatches.class);
    files = directory.resolve("payloads");
    store = PayloadStore.open(files);
    payloads = store.partition(0);
    Ledger ledger =
        new Ledger(
            store("manifests", ModelManifest.class),
            shards,
            store("counts", ModelCounts.class),
            new Catalog(),
            0,
            1);
    context =
        new PartitionContext(
            ledger,
            folded,
            local,
            payloads,
            new Recovery(topics, this::open, payloads, this::lose, 0),
            new EpochSums(payloads),
            new KeptSums(store("sums", KeptSet.class), payloads),
            new BatchPayload(),
            new Outbox(processor));
  }

  private <V extends SpecificRecordBase> KeyValueStore<String, V> store(
      String name, Class<V> type) {
    KeyValueStore<String, V> result =
        Stores.keyValueStoreBuilder(
                Stores.inMemoryKeyValueStore(name), Serdes.String(), StateSerde.of(type))
            .withLoggingDisabled()
            .withCachingDisabled()
            .build();
    result.init(processor.getStateStoreContext(), result);
    return result;
  }

  private final class Catalog implements ModelCatalog {
    @Override
    public Optional<ModelManifest> latest(String model) {
      return Optional.ofNullable(catalog.get(model));
    }

    @Override
    public void sync() {}

    @Override
    public void refresh() {}
  }

  private void lose(KnownModel model, Slot slot, boolean isCheckpoint) {
    if (isCheckpoint) {
      ShardCheckpoint.load(context, model, slot).lose();
    } else {
      FisherShard.load(context, model, slot).lose();
    }
  }

  PayloadLog.Cursor open(String topic, int partition, long offset) {
    reads++;
    List<byte[]> values = log.getOrDefault(topic, List.of());
    return new PayloadLog.Cursor() {
      private int position = (int) offset;

      @Override
      public List<PayloadLog.Entry> poll(Duration timeout) {
        return List.of(new PayloadLog.Entry(position, values.get(position++)));
      }

      @Override
      public boolean atEnd() {
        return position >= values.size();
      }

      @Override
      public void close() {}
    };
  }

  /** How many times a topic was read again. */
  int reads() {
    return reads;
  }

  /** A model of float32 parameters of so many elements each, announced and admitted. */
  KnownModel model(ModelManifest.Builder manifest, Parameter... parameters) {
    ModelManifest built =
        manifest.setRole(Role.FINE_TUNED).setParameters(List.of(parameters)).build();
    catalog.put(built.getModel(), built);
    return context.ledger().admit(new ModelVersion(built.getModel(), built.getVersion()));
  }

  static MergePlan plan(MergeMethod method, List<RetiredModel> retired, List<PlannedModel> models) {
    return new MergePlan(
        1L,
        Instant.EPOCH,
        "",
        "base",
        1L,
        method,
        models,
        retired,
        0L,
        false,
        List.of(),
        List.of(),
        1.0,
        false);
  }

  static ModelManifest.Builder manifest(String model, long version) {
    return ModelManifest.newBuilder().setModel(model).setVersion(version);
  }

  static Parameter parameter(String name, long elements) {
    return new Parameter(name, "F32", List.of(elements), true);
  }

  /** Appends a value to a topic, and returns its offset. */
  <V> long append(Topic<ShardKey, V> topic, V value) {
    List<byte[]> values = log.computeIfAbsent(topic.name(), name -> new ArrayList<>());
    values.add(value == null ? null : topic.value().serializer().serialize(topic.name(), value));
    return values.size() - 1L;
  }

  /** Replaces every value of a topic by a tombstone. */
  void compactAway(Topic<ShardKey, ?> topic) {
    log.getOrDefault(topic.name(), List.of()).replaceAll(value -> null);
  }

  void gradients(GradientBatch batch) {
    long offset = append(topics.gradientBatches(), batch);
    FisherShard.accept(context, ShardKey.of(batch), offset, batch);
  }

  void checkpoint(String model, long version, String parameter, float... values) {
    CheckpointShard shard =
        new CheckpointShard(model, version, parameter, 0, MergeStageDriver.floats(values));
    long offset = append(topics.checkpointShards(), shard);
    new Intake(context).checkpoint(ShardKey.of(shard).toString(), offset, shard);
  }

  /** Closes and deletes a payload file, as if it had never been written. */
  void deleteFile(KnownModel model, PayloadName name) {
    payloads.drop(model.version(), name);
    FileTree.delete(files.resolve("0").resolve("spare"));
  }

  /** A shard of the model, loaded from its store. */
  FisherShard fisher(KnownModel model, String parameter) {
    return FisherShard.load(context, model, model.fisherSlot(parameter, 0));
  }

  ShardState state(KnownModel model, String parameter) {
    return context.ledger().shard(model, model.fisherSlot(parameter, 0).shard());
  }

  /** The float32 payload of a model's only shard in one of its files. */
  float[] floats(KnownModel model, PayloadName name, int elements) {
    ByteBuffer bytes = payloads.file(model.version(), name).read(0, elements * Float.BYTES);
    float[] values = new float[elements];
    bytes.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
    return values;
  }

  /** The values that were sent to a sink since the last call of {@link #forget}. */
  List<Object> sent(String sink) {
    List<Object> values = new ArrayList<>();
    processor
        .forwarded()
        .forEach(
            forward -> {
              if (forward.childName().orElseThrow().equals(sink)
                  && forward.record().value() != null) {
                values.add(forward.record().value());
              }
            });
    return values;
  }

  /** Whether a commit was asked for. */
  boolean isCommitDue() {
    return processor.committed();
  }

  /** Keys of the tombstones that were sent to a sink. */
  List<String> tombstones(String sink) {
    List<String> keys = new ArrayList<>();
    processor
        .forwarded()
        .forEach(
            forward -> {
              if (forward.childName().orElseThrow().equals(sink)
                  && forward.record().value() == null) {
                keys.add(forward.record().key().toString());
              }
            });
    return keys;
  }

  void forget() {
    processor.resetForwards();
  }

  @Override
  public void close() {
    payloads.close();
    store.close();
  }
}
