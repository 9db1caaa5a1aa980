package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
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
 * beside a plain producer that sends the same bytes to the same broker, with Kafka's defaults and
 * with the publisher's settings, and the bytes that Kafka was given, by topic.
 */
final class ArrivalBench {
  // The JIT compiler takes 0.9 to 1.6 CPU seconds of each of the first four arrivals and goes on to
  // take some for long. A pool lives for months.
  private static final int WARM_UP_ARRIVALS = 20;
  private static final int WARM_UP_PLAINS = 4;

  private final Path directory;
  private final PrintWriter out;
  private final int models;
  private final DType dtype;
  private int plainRuns;

  ArrivalBench(Path directory, PrintWriter out, int models, DType dtype) {
    this.directory = directory;
    this.out = out;
    this.models = models;
    this.dtype = dtype;
  }

  /** Time of one arrival over the plain producer's. */
  @SuppressWarnings("try") // the memory is only there
  double run(int repetitions) throws Exception {
    try (ArrivalPool pool = new ArrivalPool(directory.resolve("pool"), dtype);
        Admin admin = pool.kafka().admin()) {
      PayloadTopics read = new PayloadTopics(admin, pool.topics(), ArrivalPool.PARTITIONS);
      for (int model = 1; model <= models; model++) {
        pool.write(model);
        print("model-" + model, pool.arrive("model-" + model, 1));
        read.delete();
      }
      for (int version = 1; version <= WARM_UP_ARRIVALS; version++) {
        print("warm-up", pool.arrive("arrival", version));
        read.delete();
      }
      for (int i = 0; i < WARM_UP_PLAINS; i++) {
        plain(pool, pool.kafka()::newDefaultProducer);
        plain(pool, pool.kafka()::newProducer);
      }
      double[] arrivals = new double[repetitions];
      double[] plains = new double[repetitions];
      double[] tuned = new double[repetitions];
      for (int i = 0; i < repetitions; i++) {
        int version = WARM_UP_ARRIVALS + i + 1;
        pool.write(models + version);
        read.awaitDeleted();
        Map<String, Long> before = bytesByTopic(admin);
        try (WarmMemory memory =
            new WarmMemory(directory, List.of(pool.weights(), pool.fisher(), pool.state()))) {
          ArrivalPool.Arrival arrival = pool.arrive("arrival", version);
          print("arrival", arrival);
          arrivals[i] = arrival.seconds();
        }
        Map<String, Long> after = bytesByTopic(admin);
        read.delete();
        plains[i] = plain(pool, pool.kafka()::newDefaultProducer);
        tuned[i] = plain(pool, pool.kafka()::newProducer);
        out.printf(
            "  plain producer of the same bytes %.2f s; with our settings %.2f s%n",
            plains[i], tuned[i]);
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

  private void print(String name, ArrivalPool.Arrival arrival) {
    out.printf(
        "  %s %.2f s: published in %.2f s, released %.2f s later%n",
        name, arrival.seconds(), arrival.publishing(), arrival.releasing());
    out.flush();
  }

  /** Sends the same payloads, in records of the same size, to topics of their own. */
  @SuppressWarnings("try") // the memory is only there
  private double plain(ArrivalPool pool, Supplier<Producer<byte[], byte[]>> producers)
      throws Exception {
    PoolTopics topics = new PoolTopics("plain-" + ++plainRuns, SchemaRegistry.inMemory());
    List<String> names = List.of(topics.checkpointShards().name(), topics.gradientBatches().name());
    try (Admin admin = pool.kafka().admin();
        Producer<byte[], byte[]> producer = producers.get();
        Checkpoint weights = Checkpoint.open(pool.weights());
        Checkpoint fisher = Checkpoint.open(pool.fisher())) {
      new PoolAdmin(admin, topics).create(names.stream().map(name -> topic(name, topics)).toList());
      for (String name : names) {
        for (int partition = 0; partition < ArrivalPool.PARTITIONS; partition++) {
          // connected, as the publisher's producer is
          producer.send(new ProducerRecord<>(name, partition, new byte[1], new byte[1])).get();
        }
      }
      try (WarmMemory memory = new WarmMemory(directory, List.of(pool.weights(), pool.fisher()))) {
        return seconds(producer, topics, weights, fisher);
      } finally {
        admin.deleteTopics(names).all().get();
      }
    }
  }

  private static NewTopic topic(String name, PoolTopics topics) {
    return new NewTopic(name, Optional.of(ArrivalPool.PARTITIONS), Optional.empty())
        .configs(topics.checkpointShards().config());
  }

  private static double seconds(
      Producer<byte[], byte[]> producer, PoolTopics topics, Checkpoint weights, Checkpoint fisher)
      throws Exception {
    long start = System.nanoTime();
    List<Future<RecordMetadata>> sent = new ArrayList<>();
    send(producer, topics.checkpointShards().name(), weights, sent);
    send(producer, topics.gradientBatches().name(), fisher, sent);
    producer.flush();
    double seconds = (System.nanoTime() - start) / 1e9;
    for (Future<RecordMetadata> record : sent) {
      record.get();
    }
    return seconds;
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
              for (int index = 0; index < Shard.count(tensor); index++) {
                Shard shard = new Shard(tensor, index);
                byte[] value = new byte[shard.bytes()];
                file.slice(tensor.name(), shard.firstElement(), shard.elements()).get(value);
                sent.add(
                    producer.send(
                        new ProducerRecord<>(
                            topic,
                            next[0]++ % ArrivalPool.PARTITIONS,
                            shard.id().getBytes(StandardCharsets.UTF_8),
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
