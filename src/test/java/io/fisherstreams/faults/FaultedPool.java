package io.fisherstreams.faults;

import static java.nio.charset.StandardCharsets.UTF_8;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PoolViewReader;
import io.fisherstreams.faults.Guarantee.BytesAreThoseOfTheUndisturbedRun;
import io.fisherstreams.faults.Guarantee.IdsGrowWithoutGap;
import io.fisherstreams.faults.Guarantee.NoAcceptedShardIsCompactedAway;
import io.fisherstreams.faults.Guarantee.NoBatchIsLostOrCountedTwice;
import io.fisherstreams.faults.Guarantee.OnlyBadRecordsAreRejected;
import io.fisherstreams.faults.Guarantee.OnlyOvertakenRecordsAreRejected;
import io.fisherstreams.faults.Guarantee.ProgressResumesByItself;
import io.fisherstreams.faults.Guarantee.ReleaseIsComplete;
import io.fisherstreams.faults.Guarantee.ReleasedBytesAreThoseOfTheFiles;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Runbook;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.ConcurrentSkipListMap;
import java.util.concurrent.atomic.AtomicLong;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;

/**
 * A pool to which faults happen, whatever its instances are made of: it publishes models, waits for
 * releases, and asserts every {@link Guarantee} on what came out.
 */
final class FaultedPool implements AutoCloseable {
  static final int PARTITIONS = 4;

  private static final Duration PATIENCE = Duration.ofMinutes(3);
  private static final String SEALED = "@sealed";

  private final String name;
  private final KafkaSettings kafka;
  private final Path directory;
  private final Map<String, Instance> instances = new ConcurrentSkipListMap<>();
  private final Map<String, Model> published = new HashMap<>();
  private final Map<String, Long> versions = new HashMap<>();
  private final Map<String, Integer> held = new LinkedHashMap<>();
  private final Instant started = Instant.now();
  private Collection<TensorInfo> baseTensors = Model.TENSORS;
  private EmbeddedRegistry registry;
  private final PoolTopics topics;
  private final ReleaseFeed feed;
  private Model base;

  /**
   * Makes the pool's topics; nothing runs yet.
   *
   * @param name the pool's name, one that no other pool of this Kafka has
   * @param kafka with the settings that its instances shall have
   * @param directory for state and models' files
   */
  FaultedPool(String name, KafkaSettings kafka, Path directory) {
    this.name = name;
    this.kafka = kafka;
    this.directory = directory;
    registry = EmbeddedRegistry.start(directory.resolve("registry"), 0);
    topics = new PoolTopics(name, SchemaRegistry.connect(registry.url(), Map.of()));
    createTopics();
    feed = new ReleaseFeed(kafka, topics);
  }

  /** Makes the topics that are not there. */
  void createTopics() {
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
    }
  }

  KafkaSettings kafka() {
    return kafka;
  }

  PoolTopics topics() {
    return topics;
  }

  Path directory() {
    return directory;
  }

  String registryUrl() {
    return registry.url();
  }

  void stopRegistry() {
    registry.close();
  }

  void startRegistry() {
    int port = Integer.parseInt(registry.url().replaceAll(".*:", ""));
    registry = EmbeddedRegistry.start(directory.resolve("registry"), port);
  }

  /** Takes an instance into the pool's care and starts it. */
  void start(String instance, Instance how) {
    instances.put(instance, how);
    how.start();
  }

  /** Adds an instance in this process. */
  void startThread(String instance) {
    start(instance, newThread(instance));
  }

  /** The same, with a state directory elsewhere. */
  void startThread(String instance, Path stateDirectory) {
    start(instance, new StageThread(instance, kafka, name, registry.url(), stateDirectory));
  }

  /** An instance in this process that is not started. */
  StageThread newThread(String instance) {
    return new StageThread(instance, kafka, name, registry.url(), directory.resolve(instance));
  }

  boolean has(String instance) {
    return instances.containsKey(instance);
  }

  Instance instance(String instance) {
    return instances.get(instance);
  }

  /** A merging instance or the coordinator in this process. */
  StageThread thread(String instance) {
    return (StageThread) instances.get(instance);
  }

  /** A merging instance in this process, 1 or 2. */
  StageThread merge(int number) {
    return thread("merge-" + number);
  }

  StageThread coordinator() {
    return thread("coordinator");
  }

  /** The files of a published version, {@code model@version}. */
  void published(String id, Model model) {
    published.put(id, model);
  }

  void base(Model model) {
    base = model;
  }

  SortedMap<Long, Release> releases() {
    return new TreeMap<>(feed.upToDate());
  }

  /** Waits for something that must come to pass. */
  void await(String what, BooleanSupplier condition) {
    Instant deadline = Instant.now().plus(PATIENCE);
    while (!condition.getAsBoolean()) {
      assertThat(Instant.now()).as("waiting for " + what + logs()).isBefore(deadline);
      feed.poll(Duration.ofMillis(100));
    }
  }

  private String logs() {
    StringBuilder logs = new StringBuilder();
    instances.forEach(
        (instance, how) -> logs.append("\n").append(instance).append(": ").append(how.log()));
    feed.upToDate()
        .forEach(
            (id, release) ->
                logs.append("\n").append(id).append(release.getStatus()).append(models(release)));
    return logs.toString();
  }

  private static Set<String> models(Release release) {
    Set<String> names = new TreeSet<>();
    for (PlannedModel model : release.getPlan().getModels()) {
      names.add(model.getModel());
    }
    return names;
  }

  /** Whether the newest release is complete and of these models. */
  boolean hasReleased(Set<String> names) {
    SortedMap<Long, Release> releases = feed.upToDate();
    return !releases.isEmpty()
        && releases.get(releases.lastKey()).getStatus() == ReleaseStatus.COMPLETE
        && models(releases.get(releases.lastKey())).equals(names);
  }

  void awaitRelease(Set<String> names) {
    await("a release of " + names, () -> hasReleased(names));
    require(new ProgressResumesByItself(names, releases()));
  }

  void require(Guarantee guarantee) {
    guarantee.assertHolds();
    held.merge(guarantee.name(), 1, Integer::sum);
  }

  /** Notes that something without an object of its own was asserted. */
  void held(String what) {
    held.merge(what, 1, Integer::sum);
  }

  /** The guarantees that only the topics' content decides. */
  void requireAll(int badRecords) {
    requireReleasesAndSums();
    require(new OnlyBadRecordsAreRejected(badRecords, deadLetters()));
  }

  /** The same, where versions were replaced and withdrawn while their records were on their way. */
  void requireAllAmongOvertakenVersions() {
    requireReleasesAndSums();
    require(new OnlyOvertakenRecordsAreRejected(deadLetters()));
  }

  private void requireReleasesAndSums() {
    SortedMap<Long, Release> releases = releases();
    require(new IdsGrowWithoutGap(releases));
    ReleaseReader reader = new ReleaseReader(kafka, topics);
    for (Release release : releases.values()) {
      if (release.getStatus() == ReleaseStatus.COMPLETE) {
        require(new ReleaseIsComplete(release, reader, Model.TENSORS));
        require(new ReleasedBytesAreThoseOfTheFiles(release, reader, base, published::get));
      }
    }
    List<GradientBatch> sums = sealedSums();
    published.forEach(
        (id, model) -> {
          if (model.isBatched()) {
            long version = Long.parseLong(id.substring(id.indexOf('@') + 1));
            require(new NoBatchIsLostOrCountedTwice(model, version, sums));
          }
        });
  }

  /** Says what the base model of another scenario than {@link #run} consists of. */
  void setBase(Collection<TensorInfo> tensors) {
    baseTensors = tensors;
  }

  /** Keys of the base model's shards. */
  List<ShardKey> baseShards() {
    List<ShardKey> keys = new ArrayList<>();
    for (TensorInfo tensor : baseTensors) {
      for (int shard = 0; shard < Shard.count(tensor); shard++) {
        keys.add(ShardKey.of(new ModelVersion(Model.BASE, 1), new Shard(tensor, shard)));
      }
    }
    return keys;
  }

  /** What compaction leaves of the base model's shards. */
  private Map<ShardKey, byte[]> newestOfBase() {
    Map<String, byte[]> newest = new HashMap<>();
    read(
        topics.checkpointShards().name(),
        PARTITIONS,
        record -> newest.put(new String(record.key(), UTF_8), record.value()));
    Map<ShardKey, byte[]> ofBase = new HashMap<>();
    baseShards().forEach(key -> ofBase.put(key, newest.get(key.toString())));
    return ofBase;
  }

  private List<GradientBatch> sealedSums() {
    List<GradientBatch> sums = new ArrayList<>();
    read(
        topics.gradientBatches().name(),
        PARTITIONS,
        record -> {
          String key = new String(record.key(), UTF_8);
          if (record.value() != null && key.contains(" " + SEALED + "#")) {
            sums.add(
                topics
                    .gradientBatches()
                    .value()
                    .deserializer()
                    .deserialize(record.topic(), record.value()));
          }
        });
    return sums;
  }

  /** Whether all that was published has a sealed Fisher, by the merge stage's reports. */
  boolean isSealed() {
    Set<String> sealed = new HashSet<>();
    PoolViewReader.read(kafka, topics)
        .models()
        .forEach(
            (model, versions) ->
                versions.forEach(
                    (version, state) -> {
                      if (state.epoch().isPresent()) {
                        sealed.add(model + "@" + version);
                      }
                    }));
    return sealed.containsAll(published.keySet());
  }

  /** Offset of the merge stage's last report. */
  long lastReport() {
    AtomicLong last = new AtomicLong(-1);
    read(topics.progress().name(), 1, record -> last.set(record.offset()));
    return last.get();
  }

  /** Why records were rejected. */
  List<String> deadLetters() {
    List<String> reasons = new ArrayList<>();
    read(
        topics.deadLetters().name(),
        1,
        record -> {
          if (record.headers().lastHeader(DeadLetters.REASON) != null) {
            reasons.add(Runbook.checkedReason(record.headers()));
          }
        });
    return reasons;
  }

  private void read(String topic, int partitions, Consumer<ConsumerRecord<byte[], byte[]>> reader) {
    try (var consumer = kafka.newConsumer()) {
      List<TopicPartition> all = new ArrayList<>();
      for (int p = 0; p < partitions; p++) {
        all.add(new TopicPartition(topic, p));
      }
      consumer.assign(all);
      consumer.seekToBeginning(all);
      TopicReader.readToEnd(consumer, all, reader);
    }
  }

  /** Publishes the base model. */
  private void publishBase(Publisher publisher, Model model) {
    base = model;
    try (Checkpoint checkpoint = Checkpoint.open(model.checkpoint())) {
      ModelManifest manifest =
          Manifests.base(
              model.name(),
              1,
              Model.TENSORS,
              MergeMethods.fisher(List.of(Model.EXCLUDED), true, 1e-6, null),
              "");
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint, bytes -> {});
    }
  }

  /** An interruption between two records of a model. */
  private interface Pause {
    void run() throws Exception;
  }

  /** Publishes a model of several batches. */
  void publish(Model model) throws Exception {
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      publish(new Publisher(topics, producer), model, () -> {});
    }
  }

  /** Publishes a new version of a model of several batches, from two sources. */
  private void publish(Publisher publisher, Model model, Pause amid) throws Exception {
    long version = versions.merge(model.name(), 1L, Long::sum);
    published.put(model.name() + "@" + version, model);
    ModelManifest manifest =
        Manifests.fineTuned(
                model.name(),
                version,
                Model.TENSORS,
                MergeSet.of(Model.TENSORS, List.of(Model.EXCLUDED)),
                false)
            .setExamples(model.examples())
            .build();
    publisher.announce(manifest);
    try (Checkpoint checkpoint = Checkpoint.open(model.checkpoint())) {
      publisher.checkpoint(manifest, checkpoint, bytes -> {});
    }
    for (int batch = 0; batch < model.fishers().size(); batch++) {
      try (Checkpoint squares = Checkpoint.open(model.fishers().get(batch))) {
        publishBatch(publisher, manifest, squares, batch);
      }
      if (batch == 0) {
        amid.run();
      }
    }
    publisher.flush();
  }

  private static void publishBatch(
      Publisher publisher, ModelManifest manifest, Checkpoint squares, int batch) {
    for (TensorInfo tensor : Model.TENSORS) {
      for (int index = 0; Model.isMerged(tensor) && index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        ByteBuffer data =
            squares
                .slice(tensor.name(), shard.firstElement(), shard.elements())
                .order(ByteOrder.LITTLE_ENDIAN);
        publisher.gradientBatch(
            manifest,
            shard,
            "worker-" + batch % 2,
            batch / 2,
            Model.BATCH_EXAMPLES,
            Encoding.SQUARED_SUM,
            data);
      }
    }
  }

  /**
   * The one scenario that every fault is put into: a release of one model, two more arrive while
   * the fault happens, then the first is withdrawn. Asserts all guarantees.
   *
   * @param files the models' files lie here
   * @param undisturbed checksum by models of the run without a fault; null when this is it
   * @return checksum by models
   */
  Map<Set<String>, String> run(Fault fault, Path files, Map<Set<String>, String> undisturbed)
      throws Exception {
    for (String instance : List.of("coordinator", "merge-1", "merge-2")) {
      startThread(instance);
    }
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      Publisher publisher = new Publisher(topics, fault.publisher(producer));
      publishBase(publisher, Model.base(files, 1));
      publish(publisher, Model.random(files, "a", 11, 3), () -> {});
      awaitRelease(Set.of("a"));
      await("both instances to merge", () -> merge(1).tasks() > 0 && merge(2).tasks() > 0);
      fault.begin(this);
      publish(publisher, Model.random(files, "b", 12, 3), () -> fault.amid(this));
      publish(publisher, Model.random(files, "c", 13, 3), () -> {});
      fault.end(this);
      awaitRelease(Set.of("a", "b", "c"));
      publisher.withdraw("a");
      awaitRelease(Set.of("b", "c"));
    }
    requireAll(fault.badRecords(this));
    require(new NoAcceptedShardIsCompactedAway(newestOfBase(), topics.checkpointShards(), base));
    Map<Set<String>, String> checksums = new HashMap<>();
    for (Release release : releases().values()) {
      if (release.getStatus() == ReleaseStatus.COMPLETE) {
        if (undisturbed != null && undisturbed.containsKey(models(release))) {
          require(new BytesAreThoseOfTheUndisturbedRun(release, undisturbed.get(models(release))));
        }
        checksums.put(models(release), release.getChecksum());
      }
    }
    fault.requireInjected(this);
    return checksums;
  }

  /** Adds what happened to a report. */
  void report(FaultReport report, String fault) {
    SortedMap<Long, Release> releases = releases();
    report.add(
        fault,
        releases.size(),
        releases.values().stream().filter(r -> r.getStatus() == ReleaseStatus.COMPLETE).count(),
        Duration.between(started, Instant.now()),
        held);
  }

  @Override
  public void close() {
    instances.values().forEach(Instance::close);
    feed.close();
    registry.close();
  }
}
