package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.TensorInfo;
import io.fisherstreams.cli.Main;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.faults.Guarantee.IdsGrowWithoutGap;
import io.fisherstreams.faults.Guarantee.IncompleteModelStaysOut;
import io.fisherstreams.faults.Guarantee.ReleaseIsComplete;
import io.fisherstreams.faults.Guarantee.ReleasedBytesAreThoseOfTheFiles;
import io.fisherstreams.faults.Guarantee.ResendingChangesNothing;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.PoolModels;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.SchemaRegistry;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.Shard;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.concurrent.Executors;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.BooleanSupplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Stages as processes of their own, two of them merging, killed with SIGKILL at random moments
 * while models arrive. What the pipeline guarantees is asserted as {@link Guarantee} objects.
 */
class KilledInstancesIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);

  @TempDir private Path directory;

  private final List<StageProcess> processes = new ArrayList<>();
  private final List<StageProcess> merging = new ArrayList<>();
  private final Map<String, Model> published = new HashMap<>();
  private final Map<String, Integer> held = new LinkedHashMap<>();
  private final AtomicInteger kills = new AtomicInteger();
  private final ScheduledExecutorService killer = Executors.newSingleThreadScheduledExecutor();
  private EmbeddedBroker broker;
  private EmbeddedRegistry registry;
  private KafkaSettings kafka;
  private PoolTopics topics;
  private ReleaseFeed feed;
  private Model base;
  private Path client;

  @BeforeEach
  void start() throws IOException {
    broker = EmbeddedBroker.start(directory.resolve("broker"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    registry = EmbeddedRegistry.start();
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
    topics = new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of()));
    // a killed instance is given up, and its transaction aborted, within seconds
    client =
        Files.write(
            directory.resolve("client.properties"),
            List.of(
                "session.timeout.ms=3000",
                "heartbeat.interval.ms=500",
                "transaction.timeout.ms=4000"));
    cli("topics", "create", "--partitions", "4");
    process("coordinator", "run", "--stages", "COORDINATOR").start();
    for (int i = 1; i <= 2; i++) {
      StageProcess merge = process("merge-" + i, "run", "--stages", "MERGE");
      merge.start();
      merging.add(merge);
    }
    feed = new ReleaseFeed(kafka, topics);
    base = Model.random(directory, "base", 1, true);
    cli(
        "publish",
        "checkpoint",
        base.checkpoint().toString(),
        "--model",
        "base",
        "--base",
        "--exclude",
        "head");
  }

  @AfterEach
  void stop() throws InterruptedException {
    killer.shutdownNow();
    killer.awaitTermination(1, TimeUnit.MINUTES);
    processes.forEach(StageProcess::close);
    if (feed != null) {
      feed.close();
    }
    registry.close();
    broker.close();
  }

  /** A process with a state directory and a log under its name. */
  private StageProcess process(String name, String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(connection());
    if (arguments[0].equals("run")) {
      line.addAll(List.of("--state-directory", directory.resolve("state-" + name).toString()));
    }
    StageProcess process = new StageProcess(directory.resolve(name + ".log"), line);
    processes.add(process);
    return process;
  }

  private List<String> connection() {
    return List.of(
        "--pool", "pool",
        "--bootstrap-servers", broker.bootstrapServers(),
        "--schema-registry", registry.url(),
        "--command-config", client.toString());
  }

  private void cli(String... arguments) {
    List<String> line = new ArrayList<>(List.of(arguments));
    line.addAll(connection());
    assertThat(Main.run(line.toArray(String[]::new))).as(String.join(" ", line)).isZero();
  }

  private void publishCheckpoint(Model model) {
    cli("publish", "checkpoint", model.checkpoint().toString(), "--model", model.name());
    long version = PoolModels.read(kafka, topics).find(model.name()).orElseThrow().getVersion();
    published.put(model.name() + "@" + version, model);
  }

  private void publish(Model model) {
    publishCheckpoint(model);
    cli("publish", "fisher", model.fisher().toString(), "--model", model.name());
  }

  /** Kills an instance of the merge stage and starts it again, then chooses the next moment. */
  private void killAtRandomMoments(Random random, int count, int longestMillis) {
    killer.schedule(
        () -> {
          StageProcess victim = merging.get(random.nextInt(merging.size()));
          victim.kill();
          victim.start();
          if (kills.incrementAndGet() < count) {
            killAtRandomMoments(random, count, longestMillis);
          }
        },
        200 + random.nextInt(longestMillis),
        TimeUnit.MILLISECONDS);
  }

  private void await(String what, BooleanSupplier condition) {
    Instant deadline = Instant.now().plus(PATIENCE);
    while (!condition.getAsBoolean()) {
      assertThat(Instant.now()).as("waiting for " + what + "\n" + logs()).isBefore(deadline);
      feed.poll(Duration.ofMillis(200));
    }
  }

  private String logs() {
    StringBuilder logs = new StringBuilder();
    for (String name : List.of("coordinator", "merge-1", "merge-2")) {
      try {
        List<String> lines = Files.readAllLines(directory.resolve(name + ".log"));
        logs.append(name).append(":\n");
        lines
            .subList(Math.max(0, lines.size() - 15), lines.size())
            .forEach(line -> logs.append("  ").append(line).append('\n'));
      } catch (IOException e) {
        logs.append(e);
      }
    }
    return logs.toString();
  }

  private static Set<String> models(Release release) {
    Set<String> names = new TreeSet<>();
    for (PlannedModel model : release.getPlan().getModels()) {
      names.add(model.getModel());
    }
    return names;
  }

  private void awaitReleaseOf(Set<String> names) {
    await(
        "a release of " + names,
        () -> {
          SortedMap<Long, Release> releases = feed.upToDate();
          return !releases.isEmpty()
              && releases.get(releases.lastKey()).getStatus() == ReleaseStatus.COMPLETE
              && models(releases.get(releases.lastKey())).equals(names);
        });
  }

  private void require(Guarantee guarantee) {
    guarantee.assertHolds();
    held.merge(guarantee.name(), 1, Integer::sum);
  }

  private void requireAllReleases() {
    SortedMap<Long, Release> releases = feed.upToDate();
    require(new IdsGrowWithoutGap(releases));
    ReleaseReader reader = new ReleaseReader(kafka, topics);
    for (Release release : releases.values()) {
      if (release.getStatus() == ReleaseStatus.COMPLETE) {
        require(new ReleaseIsComplete(release, reader));
        require(new ReleasedBytesAreThoseOfTheFiles(release, reader, base, published::get));
      }
    }
  }

  private long deadLetters() {
    TopicPartition partition = new TopicPartition(topics.deadLetters().name(), 0);
    try (Admin admin = kafka.admin()) {
      return admin
          .listOffsets(Map.of(partition, OffsetSpec.latest()))
          .all()
          .get()
          .get(partition)
          .offset();
    } catch (Exception e) {
      throw new AssertionError(e);
    }
  }

  /** Publishes the models again and waits until the stages have read that. */
  private void requireResendingChangesNothing(List<Model> models) {
    SortedMap<Long, Release> before = new TreeMap<>(feed.upToDate());
    models.forEach(this::publish);
    await(
        "the stages to have read the resend",
        () -> PoolStatus.read(kafka, topics).lags().values().stream().allMatch(lag -> lag == 0));
    require(new ResendingChangesNothing(before, new TreeMap<>(feed.upToDate()), deadLetters()));
  }

  /** Publishes all of a model but one shard; returns the shard's name. */
  private String publishIncomplete(Model model) throws Exception {
    ModelManifest announced =
        Manifests.fineTuned(
                model.name(), 1, Model.TENSORS, MergeSet.of(Model.TENSORS, List.of("head")), false)
            .build();
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      send(
          producer,
          topics.models().name(),
          0,
          model.name(),
          topics.models().value().serializer().serialize(topics.models().name(), announced));
      for (TensorInfo tensor : Model.TENSORS) {
        if (tensor.name().startsWith("head")) {
          continue;
        }
        float[] values = Model.read(model.checkpoint(), tensor);
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          if (!shard.id().equals("body.weight[3]")) {
            ByteBuffer data = ByteBuffer.allocate(shard.bytes()).order(ByteOrder.LITTLE_ENDIAN);
            data.asFloatBuffer().put(values, (int) shard.firstElement(), shard.elements());
            String name = topics.checkpointShards().name();
            send(
                producer,
                name,
                shard.partition(4),
                ShardKey.of(model.name(), 1, tensor.name(), index).toString(),
                topics
                    .checkpointShards()
                    .value()
                    .serializer()
                    .serialize(
                        name, new CheckpointShard(model.name(), 1L, tensor.name(), index, data)));
          }
        }
      }
      producer.flush();
    }
    cli("publish", "fisher", model.fisher().toString(), "--model", model.name());
    return "body.weight[3]";
  }

  private static void send(
      Producer<byte[], byte[]> producer, String topic, int partition, String key, byte[] value)
      throws Exception {
    producer
        .send(new ProducerRecord<>(topic, partition, key.getBytes(StandardCharsets.UTF_8), value))
        .get();
  }

  /** Kills a publisher as soon as its manifest is seen; the same command again completes it. */
  private void publishWithAKillHalfWay(Model model) {
    StageProcess publisher =
        process(
            "publisher-" + model.name(),
            "publish",
            "checkpoint",
            model.checkpoint().toString(),
            "--model",
            model.name());
    publisher.start();
    await(
        "the manifest of " + model.name(),
        () -> PoolModels.read(kafka, topics).find(model.name()).isPresent());
    publisher.kill();
    kills.incrementAndGet();
    publish(model);
  }

  private String status(String name) {
    StageProcess status = process(name, "status");
    status.start();
    return status.join();
  }

  private void requireIncompleteModelStaysOut(String model, String shard) {
    await(
        "status to know all but one shard of " + model,
        () ->
            PoolStatus.read(kafka, topics)
                .view()
                .models()
                .get(model)
                .get(1L)
                .missing()
                .equals(List.of(shard)));
    require(new IncompleteModelStaysOut(model, shard, feed.upToDate(), status("status-" + model)));
  }

  @Test
  void guaranteesHoldWhileAMergingInstanceIsKilledAndAPublisherToo() throws Exception {
    long seed = 42;
    killAtRandomMoments(new Random(seed), 3, 2500);
    Model a = Model.random(directory, "a", 11, false);
    Model b = Model.random(directory, "b", 12, false);
    Model c = Model.random(directory, "c", 13, false);
    publish(a);
    publish(b);
    publishWithAKillHalfWay(c);
    awaitReleaseOf(Set.of("a", "b", "c"));
    await("the kills", () -> kills.get() >= 4);
    String shard = publishIncomplete(Model.random(directory, "half", 14, false));
    requireIncompleteModelStaysOut("half", shard);
    requireResendingChangesNothing(List.of(a, b));
    requireAllReleases();
    report(seed);
  }

  /** The newest release, exported, against the merge command's output. */
  private void requireSameAsTheMergeCommand(List<Model> models) throws IOException {
    StringBuilder yaml = new StringBuilder("base: " + base.checkpoint() + "\nmodels:\n");
    for (Model model : models) {
      yaml.append("  - name: ").append(model.name()).append('\n');
      yaml.append("    checkpoint: ").append(model.checkpoint()).append('\n');
      yaml.append("    fisher: ").append(model.fisher()).append('\n');
    }
    yaml.append("method:\n  exclude_param_names_regex: ['head']\n");
    yaml.append("  normalize_fisher_weight: true\n  minimal_fisher_weight: 1e-06\n");
    Path file = Files.writeString(directory.resolve("merge.yaml"), yaml);
    Path undisturbed = directory.resolve("undisturbed.safetensors");
    assertThat(Main.run("merge", file.toString(), "-o", undisturbed.toString())).isZero();
    Path exported = directory.resolve("exported.safetensors");
    cli("export", "-o", exported.toString());
    for (TensorInfo tensor : Model.TENSORS) {
      assertThat(Model.read(exported, tensor)).isEqualTo(Model.read(undisturbed, tensor));
    }
    held.merge("the newest release equals an undisturbed in-process merge", 1, Integer::sum);
  }

  @Test
  @Tag("faults")
  void guaranteesHoldOverThirtyKills() throws Exception {
    long seed = Long.getLong("fisherstreams.seed", System.nanoTime());
    System.out.println("seed " + seed);
    Random random = new Random(seed);
    killAtRandomMoments(new Random(seed), 30, 9000);
    Map<String, Model> pool = new TreeMap<>();
    for (int round = 0; kills.get() < 30 || round < 12; round++) {
      String name = "m" + random.nextInt(6);
      if (pool.size() > 2 && random.nextInt(6) == 0) {
        String withdrawn = List.copyOf(pool.keySet()).get(random.nextInt(pool.size()));
        cli("withdraw", withdrawn);
        pool.remove(withdrawn);
      } else if (pool.containsKey(name) && random.nextInt(4) == 0) {
        publish(pool.get(name)); // a resend
      } else {
        Model model = Model.random(directory, name, 100 + round, false);
        if (!pool.containsKey(name) && random.nextInt(4) == 0) {
          publishWithAKillHalfWay(model);
        } else {
          publish(model);
        }
        pool.put(name, model);
      }
      if (random.nextInt(3) == 0) {
        awaitReleaseOf(pool.keySet());
      }
    }
    awaitReleaseOf(pool.keySet());
    requireAllReleases();
    requireSameAsTheMergeCommand(List.copyOf(pool.values()));
    report(seed);
  }

  private void report(long seed) {
    System.out.printf(
        "seed %d: %d processes killed; %d releases of which %d complete; guarantees held: %s%n",
        seed,
        kills.get(),
        feed.upToDate().size(),
        feed.upToDate().values().stream()
            .filter(release -> release.getStatus() == ReleaseStatus.COMPLETE)
            .count(),
        held);
  }
}
