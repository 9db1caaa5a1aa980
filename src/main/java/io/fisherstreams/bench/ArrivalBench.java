package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.DType;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.local.LocalPool;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseFeed;
import java.io.PrintWriter;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * The arrival of one more model in a pool: time from the first record sent to its release complete,
 * beside a plain producer that sends the same bytes to the same broker, and the bytes that Kafka
 * was given, by topic.
 */
final class ArrivalBench {
  // The third version of a model is the first whose files lie where a retired one's were; the JIT
  // compiler takes 0.6 to 1 CPU second of each of the first four, about 0.2 from then on.
  private static final int WARM_UP_ARRIVALS = 5;
  private static final int PARTITIONS = 4;

  private final Path directory;
  private final PrintWriter out;
  private final int models;
  private final DType dtype;
  private int plains;

  ArrivalBench(Path directory, PrintWriter out, int models, DType dtype) {
    this.directory = directory;
    this.out = out;
    this.models = models;
    this.dtype = dtype;
  }

  /** Time of one arrival over the plain producer's. */
  double run(int repetitions) throws Exception {
    try (LocalPool pool =
            LocalPool.start(
                directory.resolve("pool"),
                PARTITIONS,
                2,
                new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of()));
        Admin admin = pool.runner().kafka().admin();
        Producer<byte[], byte[]> producer = pool.runner().kafka().newProducer();
        ReleaseFeed feed = new ReleaseFeed(pool.runner().kafka(), pool.runner().topics())) {
      PayloadTopics read = new PayloadTopics(admin, pool.runner().topics(), PARTITIONS);
      Publisher publisher = new Publisher(pool.runner().topics(), producer);
      Path base = directory.resolve("base.safetensors");
      SyntheticModel.clip(dtype).writeCheckpoint(base, 0);
      ModelManifest baseManifest;
      MergeSet mergeSet;
      try (Checkpoint checkpoint = Checkpoint.open(base)) {
        baseManifest =
            Manifests.base(
                "base",
                1,
                checkpoint.tensors().values(),
                new MergeMethod(List.of(), true, 1e-6, null),
                "");
        mergeSet = ModelCheck.mergeSet(baseManifest);
        publisher.announce(baseManifest);
        publisher.checkpoint(baseManifest, checkpoint, bytes -> {});
      }
      Path weights = directory.resolve("model.safetensors");
      Path fisher = directory.resolve("fisher.safetensors");
      for (int model = 1; model <= models; model++) {
        SyntheticModel.clip(dtype).writeCheckpoint(weights, model);
        SyntheticModel.clip(DType.F32).writeFisher(fisher, 1000 + model);
        arrive(publisher, feed, pool, mergeSet, "model-" + model, weights, fisher);
        read.delete();
      }
      double[] arrivals = new double[repetitions];
      double[] plains = new double[repetitions];
      double[] tuned = new double[repetitions];
      for (int version = 1; version <= WARM_UP_ARRIVALS + repetitions; version++) {
        SyntheticModel.clip(dtype).writeCheckpoint(weights, models + version);
        SyntheticModel.clip(DType.F32).writeFisher(fisher, 2000 + version);
        read.awaitDeleted();
        Map<String, Long> before = bytesByTopic(admin);
        double arrival;
        try (WarmMemory memory = new WarmMemory(directory)) {
          arrival = arrive(publisher, feed, pool, mergeSet, "arrival", version, weights, fisher);
        }
        Map<String, Long> after = bytesByTopic(admin);
        read.delete();
        KafkaSettings kafka = pool.runner().kafka();
        double plain = plain(kafka, kafka::newDefaultProducer, weights, fisher);
        double likeOurs = plain(kafka, kafka::newProducer, weights, fisher);
        if (version > WARM_UP_ARRIVALS) {
          arrivals[version - WARM_UP_ARRIVALS - 1] = arrival;
          plains[version - WARM_UP_ARRIVALS - 1] = plain;
          tuned[version - WARM_UP_ARRIVALS - 1] = likeOurs;
        }
        out.printf(
            "  arrival %.2f s; plain producer of the same bytes %.2f s; with our settings %.2f s%n",
            arrival, plain, likeOurs);
        print(before, after);
        out.flush();
      }
      double arrival = Median.of(arrivals);
      double plain = Median.of(plains);
      out.printf(
          "arrival of model %d of %s: %.2f s; plain producer of the same bytes with Kafka's defaults: %.2f s, ratio %.2f; with the publisher's settings: %.2f s, ratio %.2f (medians of the last %d)%n",
          models + 1,
          dtype,
          arrival,
          plain,
          arrival / plain,
          Median.of(tuned),
          arrival / Median.of(tuned),
          repetitions);
      out.flush();
      return arrival / plain;
    }
  }

  private double arrive(
      Publisher publisher,
      ReleaseFeed feed,
      LocalPool pool,
      MergeSet mergeSet,
      String name,
      Path weights,
      Path fisher) {
    return arrive(publisher, feed, pool, mergeSet, name, 1, weights, fisher);
  }

  private double arrive(
      Publisher publisher,
      ReleaseFeed feed,
      LocalPool pool,
      MergeSet mergeSet,
      String name,
      long version,
      Path weights,
      Path fisher) {
    try (Checkpoint checkpoint = Checkpoint.open(weights);
        Checkpoint entries = Checkpoint.open(fisher)) {
      ModelManifest manifest =
          Manifests.fineTuned(name, version, checkpoint.tensors().values(), mergeSet, false)
              .build();
      long start = System.nanoTime();
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint, bytes -> {});
      publisher.fisher(manifest, entries, "bench", 1, bytes -> {});
      long published = System.nanoTime();
      while (feed.poll(Duration.ofMillis(20)).values().stream()
          .noneMatch(
              release ->
                  release.getStatus() == ReleaseStatus.COMPLETE
                      && release.getPlan().getModels().stream()
                          .anyMatch(m -> m.getModel().equals(name) && m.getVersion() == version))) {
        pool.runner().requireRunning();
      }
      long end = System.nanoTime();
      out.printf(
          "  %s: published in %.2f s, released %.2f s later%n",
          name, (published - start) / 1e9, (end - published) / 1e9);
      out.flush();
      return (end - start) / 1e9;
    }
  }

  /** Sends the same payloads, in records of the same size, to topics of their own. */
  private double plain(
      KafkaSettings kafka, Supplier<Producer<byte[], byte[]>> producers, Path weights, Path fisher)
      throws Exception {
    PoolTopics topics =
        new PoolTopics("plain-" + ++plains, io.fisherstreams.record.SchemaRegistry.inMemory());
    try (WarmMemory memory = new WarmMemory(directory);
        Admin admin = kafka.admin();
        Producer<byte[], byte[]> producer = producers.get();
        Checkpoint checkpoint = Checkpoint.open(weights);
        Checkpoint entries = Checkpoint.open(fisher)) {
      for (String topic :
          List.of(topics.checkpointShards().name(), topics.gradientBatches().name())) {
        admin
            .createTopics(
                List.of(
                    new NewTopic(topic, Optional.of(PARTITIONS), Optional.empty())
                        .configs(topics.checkpointShards().config())))
            .all()
            .get();
        for (int partition = 0; partition < PARTITIONS; partition++) { // until each has its leader
          producer.send(new ProducerRecord<>(topic, partition, new byte[1], new byte[1])).get();
        }
      }
      long start = System.nanoTime();
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      send(producer, topics.checkpointShards().name(), checkpoint, sent);
      send(producer, topics.gradientBatches().name(), entries, sent);
      producer.flush();
      double seconds = (System.nanoTime() - start) / 1e9;
      for (Future<RecordMetadata> record : sent) {
        record.get();
      }
      admin
          .deleteTopics(List.of(topics.checkpointShards().name(), topics.gradientBatches().name()))
          .all()
          .get();
      return seconds;
    }
  }

  private static void send(
      Producer<byte[], byte[]> producer,
      String topic,
      Checkpoint file,
      List<Future<RecordMetadata>> sent) {
    int[] next = new int[1];
    file.tensors()
        .values()
        .forEach(
            tensor -> {
              for (int index = 0; index < io.fisherstreams.tensor.Shard.count(tensor); index++) {
                var shard = new io.fisherstreams.tensor.Shard(tensor, index);
                byte[] value = new byte[shard.bytes()];
                file.slice(tensor.name(), shard.firstElement(), shard.elements()).get(value);
                sent.add(
                    producer.send(
                        new ProducerRecord<>(
                            topic,
                            next[0]++ % PARTITIONS,
                            shard.id().getBytes(java.nio.charset.StandardCharsets.UTF_8),
                            value)));
              }
            });
  }

  private static Map<String, Long> bytesByTopic(Admin admin) throws Exception {
    Map<String, Long> bytes = new TreeMap<>();
    LogSizes.of(admin)
        .forEach((partition, size) -> bytes.merge(partition.topic(), size, Long::sum));
    return bytes;
  }

  private void print(Map<String, Long> before, Map<String, Long> after) {
    double parameters = SyntheticModel.clip(DType.F32).parameters();
    double sum = 0;
    for (Map.Entry<String, Long> entry : after.entrySet()) {
      long written = entry.getValue() - before.getOrDefault(entry.getKey(), 0L);
      if (written > 0) {
        sum += written / parameters;
        out.printf(
            "  %-48s %12d bytes %8.4f a parameter%n",
            entry.getKey(), written, written / parameters);
      }
    }
    out.printf("  bytes written to Kafka a parameter: %.4f%n", sum);
  }
}
