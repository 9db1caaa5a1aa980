package io.fisherstreams.kafka;

import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.CountedExamples;
import io.fisherstreams.record.ExampleKey;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.LabelledExample;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.Shard;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;

/**
 * Sends records to a pool's topics, each under its key and to its partition. {@link #announce},
 * {@link #withdraw} and {@link #ask} return when the brokers have acknowledged the record; all
 * other methods do not wait, {@link #flush} does. Not thread-safe; the producer stays the caller's.
 */
public final class PoolProducer {
  private final PoolTopics topics;
  private final Producer<byte[], byte[]> producer;
  private final int partitions;
  private final AtomicReference<Exception> failure = new AtomicReference<>();
  private final Map<TopicPartition, OffsetRange> sent = new ConcurrentHashMap<>();

  /** A producer of records for a pool whose topics exist. */
  public PoolProducer(PoolTopics topics, Producer<byte[], byte[]> producer) {
    this.topics = topics;
    this.producer = producer;
    this.partitions = producer.partitionsFor(topics.checkpointShards().name()).size();
  }

  /** Partitions of the sharded topics. */
  public int partitions() {
    return partitions;
  }

  /**
   * Announces a version of a model, or changes its coefficient; rejects a manifest that the
   * coordinator would reject by itself with {@link io.fisherstreams.InvalidInput}.
   */
  public void announce(ModelManifest manifest) {
    announce(List.of(manifest));
  }

  /** Announces several versions at once, which the coordinator reads one right after another. */
  public void announce(List<ModelManifest> manifests) {
    manifests.forEach(ManifestRules::check);
    manifests.forEach(manifest -> send(topics.models(), manifest.getModel(), 0, manifest));
    flush();
  }

  /** Withdraws a model. */
  public void withdraw(String model) {
    send(topics.models(), model, 0, null);
    flush();
  }

  /** Asks the coordinator to move an alias. */
  public void ask(String alias, AliasRequest request) {
    send(topics.aliasRequests(), alias, 0, request);
    flush();
  }

  /** Sends one shard of a checkpoint. */
  public void checkpointShard(Shard shard, CheckpointShard value) {
    send(topics.checkpointShards(), ShardKey.of(value), shard.partition(partitions), value);
  }

  /** Sends one gradient batch of one shard. */
  public void gradientBatch(Shard shard, GradientBatch batch) {
    send(topics.gradientBatches(), ShardKey.of(batch), shard.partition(partitions), batch);
  }

  /** Sends one labelled example. */
  public void example(int partition, LabelledExample example) {
    ModelVersion version = new ModelVersion(example.getModel(), example.getVersion());
    send(topics.examples(), new ExampleKey(version, example.getIndex()), partition, example);
  }

  /** Sends which examples of a model version are counted in a partition of {@code examples}. */
  public void counted(int partition, CountedExamples counted) {
    ModelVersion version = new ModelVersion(counted.getModel(), counted.getVersion());
    send(topics.countedExamples(), version, partition, counted);
  }

  /** Sends the tombstone of what is counted of a model version. */
  public void forgetCounted(int partition, ModelVersion version) {
    send(topics.countedExamples(), version, partition, null);
  }

  @SuppressWarnings("FutureReturnValueIgnored") // the callback keeps a failure
  private <V> void send(Topic<?, V> topic, Object key, int partition, V value) {
    producer.send(
        new ProducerRecord<>(
            topic.name(),
            partition,
            key.toString().getBytes(StandardCharsets.UTF_8),
            topic.value().serializer().serialize(topic.name(), value)),
        (metadata, error) -> {
          if (error != null) {
            failure.compareAndSet(null, error);
          } else if (metadata.hasOffset()) {
            sent.merge(
                new TopicPartition(metadata.topic(), metadata.partition()),
                new OffsetRange(metadata.offset(), metadata.offset() + 1),
                OffsetRange::and);
          }
        });
    rethrow();
  }

  /**
   * Where the records that the brokers have acknowledged lie; other producers' records may lie
   * between them.
   */
  public Map<TopicPartition, OffsetRange> sent() {
    return Map.copyOf(sent);
  }

  /** Waits until everything that was sent is acknowledged. */
  public void flush() {
    producer.flush();
    rethrow();
  }

  private void rethrow() {
    Exception error = failure.get();
    if (error != null) {
      throw new KafkaException("a record was not acknowledged: " + error.getMessage(), error);
    }
  }
}
