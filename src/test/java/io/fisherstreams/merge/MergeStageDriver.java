package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.kafka.FailedRecords;
import io.fisherstreams.kafka.StageDriver;
import io.fisherstreams.merge.payload.PayloadLog;
import io.fisherstreams.merge.payload.PayloadStore;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ModelCatalog;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Partition 0 of the merge stage under the test driver, with a catalog of its own and a log of
 * everything that went through the payload topics.
 */
final class MergeStageDriver implements AutoCloseable {
  private record Kept(String key, byte[] value) {}

  private final PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
  private final Map<String, ModelManifest> catalog = new HashMap<>();
  private final Map<String, List<Kept>> log = new HashMap<>();
  private final List<TestRecord<byte[], byte[]>> retired = new ArrayList<>();
  private final FailedRecords failures = FailedRecords.inMemory();
  private final PayloadStore store;
  private final Path payloads;
  private final StageDriver stage;
  private int reads;
  private boolean isHurried;
  private long time;

  MergeStageDriver(Path directory, int partitions) {
    this(directory, partitions, LocalPayloads.ALL);
  }

  MergeStageDriver(Path directory, int partitions, LocalPayloads local) {
    payloads = directory.resolve("payloads");
    store = PayloadStore.open(payloads);
    stage =
        new StageDriver(
            directory,
            () ->
                new MergeTopology(
                        topics,
                        partitions,
                        new Catalog(),
                        store,
                        this::open,
                        local,
                        failures,
                        MergeKernel.java(),
                        this::nanoTime)
                    .get());
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

  private PayloadLog.Cursor open(String topic, int partition, long offset) {
    if (offset < 0) {
      throw new AssertionError("offset " + offset + " asked of " + topic);
    }
    reads++;
    List<Kept> kept = log.getOrDefault(topic, List.of());
    int end = kept.size();
    return new PayloadLog.Cursor() {
      private int position = (int) Math.min(offset, end);

      @Override
      public List<PayloadLog.Entry> poll(Duration timeout) {
        List<PayloadLog.Entry> entries = new ArrayList<>();
        for (int i = 0; i < 3 && position < end; i++) {
          entries.add(new PayloadLog.Entry(position, kept.get(position++).value));
        }
        return entries;
      }

      @Override
      public boolean atEnd() {
        return position >= end;
      }

      @Override
      public void close() {}
    };
  }

  private long nanoTime() {
    time += isHurried ? Duration.ofHours(1).toNanos() : 0;
    return time;
  }

  /** From now on every step is over as soon as it has done the least that it can do. */
  void hurry() {
    isHurried = true;
  }

  /** What made the stage fail, also before a restart. */
  FailedRecords failures() {
    return failures;
  }

  PoolTopics topics() {
    return topics;
  }

  StageDriver stage() {
    return stage;
  }

  /** Where partition 0 keeps the payloads of a model version. */
  Path folder(String model, long version) {
    return payloads.resolve("0").resolve(model + "@" + version);
  }

  /** How often the topics were read again. */
  int reads() {
    return reads;
  }

  /** Loses the records of the payload topics whose key begins like this. */
  void lose(String keyPrefix) {
    log.values()
        .forEach(
            entries ->
                entries.replaceAll(
                    kept -> kept.key.startsWith(keyPrefix) ? new Kept(kept.key, null) : kept));
  }

  /** Keeps the newest record of each key of the payload topics, as compaction does. */
  void compact() {
    for (List<Kept> entries : log.values()) {
      Map<String, Integer> newest = new HashMap<>();
      for (int offset = 0; offset < entries.size(); offset++) {
        newest.put(entries.get(offset).key, offset);
      }
      for (int offset = 0; offset < entries.size(); offset++) {
        Kept kept = entries.get(offset);
        if (newest.get(kept.key) != offset) {
          entries.set(offset, new Kept(kept.key, null));
        }
      }
    }
  }

  ModelManifest.Builder manifest(String model, long version, Parameter... parameters) {
    return ModelManifest.newBuilder()
        .setModel(model)
        .setVersion(version)
        .setRole(Role.FINE_TUNED)
        .setParameters(List.of(parameters));
  }

  void announce(ModelManifest manifest) {
    catalog.put(manifest.getModel(), manifest);
  }

  void withdraw(String model) {
    catalog.remove(model);
  }

  <V> void pipe(Topic<ShardKey, V> topic, String key, V value) {
    pipe(
        topic,
        key.getBytes(StandardCharsets.UTF_8),
        topic.value().serializer().serialize(topic.name(), value));
  }

  void pipe(Topic<ShardKey, ?> topic, byte[] key, byte[] value) {
    keep(topic, key, value);
    stage.pipe(topic.name(), key, value);
    drain();
  }

  private void keep(Topic<?, ?> topic, byte[] key, byte[] value) {
    log.computeIfAbsent(topic.name(), t -> new ArrayList<>())
        .add(new Kept(key == null ? "" : new String(key, StandardCharsets.UTF_8), value));
  }

  /** What the stage sends to its own inputs is read by it, and is in the log. */
  private void drain() {
    for (Topic<ShardKey, ?> topic :
        List.<Topic<ShardKey, ?>>of(topics.checkpointShards(), topics.gradientBatches())) {
      for (TestRecord<byte[], byte[]> record : stage.read(topic)) {
        keep(topic, record.key(), record.value());
        if (record.value() == null) {
          retired.add(record);
        }
      }
    }
  }

  void checkpoint(String model, long version, String parameter, int shard, ByteBuffer data) {
    CheckpointShard record = new CheckpointShard(model, version, parameter, shard, data);
    pipe(topics.checkpointShards(), ShardKey.of(record).toString(), record);
  }

  void gradients(GradientBatch batch) {
    pipe(topics.gradientBatches(), ShardKey.of(batch).toString(), batch);
  }

  void fisher(String model, long version, String parameter, float... means) {
    gradients(batch(model, version, parameter, "file", 0, 1, Encoding.MEAN_SQUARE, floats(means)));
  }

  static GradientBatch batch(
      String model,
      long version,
      String parameter,
      String source,
      long sequence,
      long examples,
      Encoding encoding,
      ByteBuffer data) {
    return new GradientBatch(
        model,
        version,
        parameter,
        0,
        source,
        sequence,
        examples,
        encoding,
        ByteBuffer.allocate(0),
        data);
  }

  static ByteBuffer floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes;
  }

  static ByteBuffer ints(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(values);
    return bytes;
  }

  void plan(
      long release, double epsilon, List<RetiredModel> retiredModels, PlannedModel... models) {
    plan(release, epsilon, retiredModels, 0, models);
  }

  void plan(
      long release,
      double epsilon,
      List<RetiredModel> retiredModels,
      long retirement,
      PlannedModel... models) {
    plan(release, epsilon, retiredModels, retirement, false, models);
  }

  void plan(
      long release,
      double epsilon,
      List<RetiredModel> retiredModels,
      long retirement,
      boolean retiresOnly,
      PlannedModel... models) {
    MergeMethod method = MergeMethods.fisher(List.of("keep"), false, epsilon, null);
    plan(release, method, retiredModels, retirement, retiresOnly, models);
  }

  void plan(
      long release,
      MergeMethod method,
      List<RetiredModel> retiredModels,
      long retirement,
      boolean retiresOnly,
      PlannedModel... models) {
    stage.pipe(
        topics.mergePlans(),
        "plan",
        new MergePlan(
            release,
            Instant.EPOCH,
            "",
            "base",
            1L,
            method,
            List.of(models),
            retiredModels,
            retirement,
            retiresOnly,
            List.of(),
            List.of(),
            1.0,
            false));
  }

  static PlannedModel planned(String model, long version, int epoch, double weight) {
    return new PlannedModel(
        model, version, epoch, weight, List.of(), 1.0, 1.0, 1L, weight, 1.0, 0.0);
  }

  /** Lets the stage work; its timers fire once per call of the driver. */
  void work() {
    for (int i = 0; i < 4; i++) {
      stage.advance(Duration.ofMillis(600));
      drain();
    }
  }

  /** The merged float32 parameters that came out, by {@code release/parameter}. */
  Map<String, float[]> merged() {
    Map<String, float[]> merged = new LinkedHashMap<>();
    for (MergedTensor tensor : stage.values(topics.mergedTensors())) {
      if (tensor.getDtype().equals("F32")) {
        float[] values = new float[tensor.getData().remaining() / 4];
        tensor.getData().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values);
        merged.put(tensor.getRelease() + "/" + tensor.getParameter(), values);
      }
    }
    return merged;
  }

  /** Everything that came out on topic {@code progress}. */
  Progress progress() {
    List<ModelProgress> models = new ArrayList<>();
    List<ReleaseProgress> releases = new ArrayList<>();
    for (PartitionProgress report : stage.values(topics.progress())) {
      if (report.getBody() instanceof ModelProgress model) {
        models.add(model);
      } else {
        releases.add((ReleaseProgress) report.getBody());
      }
    }
    return new Progress(models, releases);
  }

  /**
   * Reports since the last call.
   *
   * @param models on models, oldest first
   * @param releases on releases
   */
  record Progress(List<ModelProgress> models, List<ReleaseProgress> releases) {
    ModelProgress last(String model) {
      return models.stream()
          .filter(progress -> progress.getModel().equals(model))
          .reduce((first, second) -> second)
          .orElseThrow(() -> new AssertionError("no report on " + model));
    }
  }

  /** Keys of the tombstones that the stage has written since the last call. */
  List<String> tombstones() {
    List<String> keys =
        retired.stream().map(r -> new String(r.key(), StandardCharsets.UTF_8)).toList();
    retired.clear();
    return keys;
  }

  List<String> reasons() {
    return stage.reasons(topics);
  }

  void restart() {
    stage.restart();
  }

  /** Gives the partition away, and takes it again when its files have been removed. */
  void comeBackLate() {
    stage.restart(() -> store.clean(Duration.ZERO));
  }

  @Override
  public void close() {
    stage.close();
    store.close();
  }
}
