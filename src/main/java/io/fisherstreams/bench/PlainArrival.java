package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.tensor.Shard;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.Future;
import java.util.function.Supplier;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;

/**
 * A plain producer that sends the payloads of the model that arrives next, in records of the same
 * size, to topics of its own on the same broker.
 */
final class PlainArrival {
  private final Path directory;
  private final ArrivalPool pool;
  private int runs;

  PlainArrival(Path directory, ArrivalPool pool) {
    this.directory = directory;
    this.pool = pool;
  }

  /** Seconds until all records are acknowledged, by a producer that is closed afterwards. */
  @SuppressWarnings("try") // the memory is only there
  double seconds(Supplier<Producer<byte[], byte[]>> producers) throws Exception {
    PoolTopics topics = new PoolTopics("plain-" + ++runs, SchemaRegistry.inMemory());
    List<String> names = List.of(topics.checkpointShards().name(), topics.gradientBatches().name());
    try (Admin admin = pool.kafka().admin();
        Producer<byte[], byte[]> producer = producers.get();
        Checkpoint weights = Checkpoint.open(pool.weights());
        Checkpoint fisher = Checkpoint.open(pool.fisher())) {
      new PoolAdmin(admin, topics).create(names.stream().map(name -> topic(name, topics)).toList());
      for (String name : names) {
        for (int partition = 0; partition < ArrivalPool.PARTITIONS; partition++) {
          // the publisher's producer is connected too before it is measured
          producer.send(new ProducerRecord<>(name, partition, new byte[1], new byte[1])).get();
        }
      }
      try (WarmMemory memory = new WarmMemory(directory, List.of(pool.weights(), pool.fisher()))) {
        return send(producer, topics, weights, fisher);
      } finally {
        admin.deleteTopics(names).all().get();
      }
    }
  }

  private static NewTopic topic(String name, PoolTopics topics) {
    return new NewTopic(name, Optional.of(ArrivalPool.PARTITIONS), Optional.empty())
        .configs(topics.checkpointShards().config());
  }

  private static double send(
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
}
