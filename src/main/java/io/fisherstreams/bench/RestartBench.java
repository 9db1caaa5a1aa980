package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.EmbeddedRegistry;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.tensor.DType;
import java.io.IOException;
import java.io.PrintWriter;
import java.nio.ByteBuffer;
import java.nio.channels.FileChannel;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.stream.Stream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;

/**
 * How soon a pool makes its next release after its stages have ended, and after a withdrawal. The
 * stages run in a process of their own, which is stopped, killed, or killed and loses its state
 * directory; each time a model gets another weight and the stages start again. The yardsticks are a
 * bare consumer of the topics from which payloads are restored, and a loop that reads the files
 * that a withdrawal reads.
 */
final class RestartBench {
  private static final int PARTITIONS = 4;

  private final Path directory;
  private final PrintWriter out;
  private final int models;
  private StageProcess stages;
  private ReleaseFeed feed;

  RestartBench(Path directory, PrintWriter out, int models) {
    this.directory = directory;
    this.out = out;
    this.models = models;
  }

  void run() throws Exception {
    try (EmbeddedBroker broker =
            EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
        EmbeddedRegistry registry = EmbeddedRegistry.start();
        StageProcess process =
            new StageProcess(
                directory,
                List.of(
                    "--pool=bench",
                    "--bootstrap-servers=" + broker.bootstrapServers(),
                    "--schema-registry=" + registry.url()))) {
      stages = process;
      KafkaSettings kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
      PoolTopics topics = new PoolTopics("bench", SchemaRegistry.connect(registry.url(), Map.of()));
      try (Admin admin = kafka.admin()) {
        new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
      }
      try (Producer<byte[], byte[]> producer = kafka.newProducer();
          ReleaseFeed releases = new ReleaseFeed(kafka, topics)) {
        feed = releases;
        stages.start();
        Publisher publisher = new Publisher(topics, producer);
        ModelManifest last = publish(publisher);
        awaitRelease(models, null);
        measure(kafka, topics, publisher, last);
      }
    }
  }

  private void measure(
      KafkaSettings kafka, PoolTopics topics, Publisher publisher, ModelManifest last)
      throws Exception {
    double mebibytes =
        2.0 * models * SyntheticModel.clip(DType.F32).parameters() * Float.BYTES / (1 << 20);
    out.printf(
        Locale.ROOT,
        "state of %d models of %,d float32 parameters: %.0f MiB%n",
        models,
        SyntheticModel.clip(DType.F32).parameters(),
        mebibytes);
    stages.stop();
    restart(publisher, last, 0.9, "after a clean stop");
    stages.kill();
    double killed = restart(publisher, last, 0.8, "after a kill");
    stages.kill();
    stages.loseState();
    double lost = restart(publisher, last, 0.7, "after a kill, state directory lost");
    double bare = bare(kafka, topics);
    out.printf(
        Locale.ROOT,
        "restored in the %.1f s that it took longer: %.0f MiB/s; bare consumer of the same topics: %.0f MiB/s; ratio %.2f%n",
        lost - killed,
        mebibytes / (lost - killed),
        mebibytes / bare,
        bare / (lost - killed));
    double read = readFiles(last.getModel());
    long start = System.nanoTime();
    publisher.withdraw(last.getModel());
    awaitRelease(models - 1, null);
    double withdrawal = (System.nanoTime() - start) / 1e9;
    out.printf(
        Locale.ROOT,
        "withdrawal of one of %d models: released after %.2f s; reading the same state from disk once: %.2f s; ratio %.2f%n",
        models,
        withdrawal,
        read,
        withdrawal / read);
    out.flush();
  }

  /** Publishes base and models; returns the manifest of the last. */
  private ModelManifest publish(Publisher publisher) throws IOException {
    Path weights = directory.resolve("weights.safetensors");
    Path fisher = directory.resolve("fisher.safetensors");
    SyntheticModel.clip(DType.F32).writeCheckpoint(weights, 1);
    SyntheticModel.clip(DType.F32).writeFisher(fisher, 2);
    ModelManifest manifest = null;
    try (Checkpoint checkpoint = Checkpoint.open(weights);
        Checkpoint entries = Checkpoint.open(fisher)) {
      MergeSet mergeSet = SyntheticModel.publishBase(publisher, checkpoint);
      for (int model = 1; model <= models; model++) {
        manifest =
            Manifests.fineTuned("model-" + model, 1, checkpoint.tensors().values(), mergeSet, false)
                .build();
        publisher.announce(manifest);
        publisher.checkpoint(manifest, checkpoint, bytes -> {});
        publisher.fisher(manifest, entries, "bench", 1, bytes -> {});
      }
    }
    return manifest;
  }

  /** Time from the start of the stages to the release of a change that was made before. */
  private double restart(Publisher publisher, ModelManifest model, double coefficient, String what)
      throws IOException {
    publisher.announce(ModelManifest.newBuilder(model).setCoefficient(coefficient).build());
    long start = System.nanoTime();
    stages.start();
    awaitRelease(models, coefficient);
    double seconds = (System.nanoTime() - start) / 1e9;
    out.printf(
        Locale.ROOT, "first release %s: %.1f s after the start of the process%n", what, seconds);
    out.flush();
    return seconds;
  }

  /** Waits for a complete release of so many models, the last with a coefficient unless null. */
  private void awaitRelease(int count, Double coefficient) throws IOException {
    while (true) {
      SortedMap<Long, Release> releases = feed.poll(Duration.ofMillis(50));
      if (!releases.isEmpty()) {
        Release newest = releases.get(releases.lastKey());
        List<PlannedModel> planned = newest.getPlan().getModels();
        if (newest.getStatus() == ReleaseStatus.COMPLETE
            && planned.size() == count
            && (coefficient == null
                || planned.stream().anyMatch(m -> coefficient.equals(m.getCoefficient())))) {
          return;
        }
      }
      stages.requireRunning();
    }
  }

  private static double bare(KafkaSettings kafka, PoolTopics topics) {
    Map<TopicPartition, Long> starts = new HashMap<>();
    for (var topic : List.of(topics.checkpointShards(), topics.gradientBatches())) {
      for (int p = 0; p < PARTITIONS; p++) {
        starts.put(new TopicPartition(topic.name(), p), 0L);
      }
    }
    long start = System.nanoTime();
    PollLoop.Polled polled =
        PollLoop.poll(kafka::newConsumer, starts, PollLoop.ends(kafka, starts.keySet()));
    return (polled.nanos() - start) / 1e9;
  }

  /** Reads the files of every model but one. */
  private double readFiles(String without) throws IOException {
    long start = System.nanoTime();
    ByteBuffer buffer = ByteBuffer.allocateDirect(1 << 20);
    try (Stream<Path> files = Files.walk(stages.payloads())) {
      for (Path file :
          files
              .filter(Files::isRegularFile)
              .filter(path -> !path.getParent().endsWith(without + "@1"))
              .toList()) {
        try (FileChannel channel = FileChannel.open(file)) {
          while (channel.read(buffer.clear()) >= 0) {}
        }
      }
    }
    return (System.nanoTime() - start) / 1e9;
  }
}
