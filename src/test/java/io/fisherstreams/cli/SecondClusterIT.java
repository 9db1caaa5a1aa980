package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.CheckpointWriter;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.Offsets;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.TensorInfo;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.Future;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What docs/deployment.md says of backups, on a second cluster with the same schema registry. */
class SecondClusterIT {
  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final int PARTITIONS = 2;

  @TempDir private Path directory;
  private EmbeddedRegistry registry;
  private PoolTopics topics;

  @BeforeEach
  void start() {
    registry = EmbeddedRegistry.start();
    topics = new PoolTopics("pool", SchemaRegistry.connect(registry.url(), Map.of()));
  }

  @AfterEach
  void stop() {
    registry.close();
  }

  private final class Cluster implements AutoCloseable {
    private final Path home;
    private final EmbeddedBroker broker;
    private final KafkaSettings kafka;
    private PoolRunner stages;

    Cluster(String name) {
      home = directory.resolve(name);
      broker = EmbeddedBroker.start(home, 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
      kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      run("topics", "create", "--partitions", Integer.toString(PARTITIONS));
    }

    void startStages() {
      stages =
          PoolRunner.start(kafka, topics, home.resolve("state"), 1, PlanPolicy.atOnce(Set.of()));
    }

    void run(String... command) {
      List<String> line = new ArrayList<>(List.of(command));
      line.addAll(
          List.of(
              "--pool", "pool",
              "--bootstrap-servers", broker.bootstrapServers(),
              "--schema-registry", registry.url()));
      assertThat(Main.run(line.toArray(String[]::new))).as(String.join(" ", command)).isZero();
    }

    Release newestOf(int models) {
      Release[] found = new Release[1];
      await()
          .atMost(PATIENCE)
          .until(
              () -> {
                for (Release release : new ReleaseReader(kafka, topics).all()) {
                  if (release.getStatus() == ReleaseStatus.COMPLETE
                      && release.getPlan().getModels().size() == models) {
                    found[0] = release;
                  }
                }
                return found[0] != null;
              });
      return found[0];
    }

    void publishBaseAndTwoModels() {
      run("publish", "checkpoint", "examples/base", "--model", "base", "--base");
      for (String model : List.of("cars", "svhn")) {
        run("publish", "checkpoint", "examples/" + model, "--model", model);
        run("publish", "fisher", fisher().toString(), "--model", model);
      }
    }

    @Override
    public void close() {
      if (stages != null) {
        stages.close();
      }
      broker.close();
    }
  }

  @Test
  void aCopyOfTheBrokersDisksContinuesThePoolWithoutStateDirectories() throws Exception {
    Release before;
    try (Cluster first = new Cluster("first")) {
      first.startStages();
      first.publishBaseAndTwoModels();
      before = first.newestOf(2);
      first.run("alias", "set", "production", Long.toString(before.getRelease()));
    }
    copy(directory.resolve("first").resolve("kafka"), directory.resolve("second").resolve("kafka"));
    try (Cluster second = new Cluster("second")) {
      second.startStages();
      assertThat(second.newestOf(2)).isEqualTo(before);
      second.run("weight", "cars", "0.3", "--wait");
      second.run("weight", "cars", "0.5", "--wait");
      Release after = second.newestOf(2);
      assertThat(after.getRelease()).isGreaterThan(before.getRelease());
      assertThat(after.getChecksum()).isEqualTo(before.getChecksum());
      Path exported = directory.resolve("merged.safetensors");
      second.run("export", "--release", "production", "--output", exported.toString());
    }
  }

  @Test
  void copiedModelsAndPayloadsGiveTheSameMergeOnAnEmptyCluster() throws Exception {
    try (Cluster first = new Cluster("first");
        Cluster second = new Cluster("second")) {
      first.startStages();
      first.publishBaseAndTwoModels();
      Release before = first.newestOf(2);
      for (Topic<?, ?> topic :
          List.of(topics.models(), topics.checkpointShards(), topics.gradientBatches())) {
        copy(first.kafka, second.kafka, topic);
      }
      second.startStages();
      assertThat(second.newestOf(2).getChecksum()).isEqualTo(before.getChecksum());
    }
  }

  /** The Fisher of the examples without the checksum of its checkpoint, so that it fits any. */
  private Path fisher() {
    Path file = directory.resolve("fisher.safetensors");
    try (Checkpoint fisher = Checkpoint.open(Path.of("examples/cars.fisher.safetensors"));
        CheckpointWriter writer =
            CheckpointWriter.file(file, List.copyOf(fisher.tensors().values()), Map.of())) {
      for (TensorInfo tensor : fisher.tensors().values()) {
        writer.write(tensor.name(), 0, fisher.slice(tensor.name(), 0, (int) tensor.elements()));
      }
      writer.commit();
    }
    return file;
  }

  private static void copy(Path from, Path to) throws IOException {
    try (Stream<Path> files = Files.walk(from)) {
      for (Path file : files.toList()) {
        Path target = to.resolve(from.relativize(file).toString());
        if (Files.isDirectory(file)) {
          Files.createDirectories(target);
        } else {
          Files.copy(file, target);
        }
      }
    }
  }

  /** Partition by partition, keys, values and headers as they are. */
  private static void copy(KafkaSettings from, KafkaSettings to, Topic<?, ?> topic)
      throws Exception {
    List<TopicPartition> partitions =
        IntStream.range(0, topic.sharded() ? PARTITIONS : 1)
            .mapToObj(p -> new TopicPartition(topic.name(), p))
            .toList();
    List<Future<?>> sent = new ArrayList<>();
    try (Admin admin = from.admin();
        Consumer<byte[], byte[]> consumer = from.newConsumer();
        Producer<byte[], byte[]> producer = to.newProducer()) {
      Map<TopicPartition, Long> ends = Offsets.ends(admin, partitions);
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          sent.add(
              producer.send(
                  new ProducerRecord<>(
                      record.topic(),
                      record.partition(),
                      record.key(),
                      record.value(),
                      record.headers())));
        }
      }
      producer.flush();
    }
    for (Future<?> record : sent) {
      record.get();
    }
  }
}
