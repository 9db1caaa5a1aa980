package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.DType;
import io.fisherstreams.checkpoint.TensorInfo;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.LongConsumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;

/**
 * Sends manifests, checkpoints and Fishers to a pool's topics. Everything it sends may be sent
 * again: shards and batches carry names by which the merge stage knows what it has. Each method
 * returns when the brokers have acknowledged all its records. Not thread-safe; the producer stays
 * the caller's.
 */
public final class Publisher {
  private final PoolTopics topics;
  private final Producer<byte[], byte[]> producer;
  private final int partitions;
  private final AtomicReference<Exception> failure = new AtomicReference<>();

  /** A publisher to a pool whose topics exist. */
  public Publisher(PoolTopics topics, Producer<byte[], byte[]> producer) {
    this.topics = topics;
    this.producer = producer;
    this.partitions = producer.partitionsFor(topics.checkpointShards().name()).size();
  }

  /** Announces a version of a model, or changes its coefficient. */
  public void announce(ModelManifest manifest) {
    send(topics.models(), manifest.getModel(), 0, manifest);
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

  /**
   * Sends every shard that the manifest lists.
   *
   * @param checkpoint holds the manifest's parameters
   * @param progress is told the bytes of each shard that was handed over
   */
  public void checkpoint(ModelManifest manifest, Checkpoint checkpoint, LongConsumer progress) {
    for (Parameter parameter : manifest.getParameters()) {
      TensorInfo tensor = checkpoint.tensors().get(parameter.getName());
      for (int index = 0; index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        send(
            topics.checkpointShards(),
            ShardKey.of(manifest.getModel(), manifest.getVersion(), tensor.name(), index),
            shard.partition(partitions),
            new CheckpointShard(
                manifest.getModel(),
                manifest.getVersion(),
                tensor.name(),
                index,
                checkpoint.slice(tensor.name(), shard.firstElement(), shard.elements())));
        progress.accept(shard.bytes());
      }
    }
    flush();
  }

  /**
   * Sends a Fisher file as one gradient batch a shard.
   *
   * @param fisher float32 means of squared gradients for every merged parameter of the manifest
   * @param source names the file's content, so that sending it again is recognised
   * @param examples examples that the file stands for
   * @param progress is told the bytes of each batch that was handed over
   */
  public void fisher(
      ModelManifest manifest,
      Checkpoint fisher,
      String source,
      long examples,
      LongConsumer progress) {
    FisherReader reader = new FisherReader(fisher);
    for (Parameter parameter : manifest.getParameters()) {
      if (parameter.getMerged()) {
        TensorInfo tensor = new TensorInfo(parameter.getName(), DType.F32, parameter.getShape());
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          gradientBatch(
              manifest, shard, source, 0, examples, Encoding.MEAN_SQUARE, reader.read(shard));
          progress.accept(shard.bytes());
        }
      }
    }
    flush();
  }

  /** Sends one gradient batch of one shard without waiting; {@link #flush} waits. */
  public void gradientBatch(
      ModelManifest manifest,
      Shard shard,
      String source,
      long sequence,
      long examples,
      Encoding encoding,
      ByteBuffer data) {
    gradientBatch(
        shard,
        new GradientBatch(
            manifest.getModel(),
            manifest.getVersion(),
            shard.tensor().name(),
            shard.index(),
            source,
            sequence,
            examples,
            encoding,
            ByteBuffer.allocate(0),
            data));
  }

  /** Sends one gradient batch of one shard without waiting; {@link #flush} waits. */
  public void gradientBatch(Shard shard, GradientBatch batch) {
    send(
        topics.gradientBatches(),
        ShardKey.of(
            batch.getModel(),
            batch.getVersion(),
            batch.getParameter(),
            batch.getShard(),
            batch.getSource(),
            batch.getSequence()),
        shard.partition(partitions),
        batch);
  }

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
          }
        });
    rethrow();
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
