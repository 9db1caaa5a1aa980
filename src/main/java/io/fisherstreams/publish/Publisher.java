package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.CountedExamples;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.ExampleInput;
import io.fisherstreams.record.ExampleKey;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.LabelledExample;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.TreeMap;
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
  public void checkpoint(ModelManifest manifest, TensorSource checkpoint, LongConsumer progress) {
    for (Parameter parameter : manifest.getParameters()) {
      TensorInfo tensor = ManifestTensors.of(parameter);
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

  /** The same from an open checkpoint. */
  public void checkpoint(ModelManifest manifest, Checkpoint checkpoint, LongConsumer progress) {
    checkpoint(manifest, TensorSource.of(checkpoint), progress);
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

  /**
   * Sends labelled examples.
   *
   * @param model the version that they are for
   * @param source holds at least {@code count} examples, preprocessed for the model
   * @param count how many of them to send, from the first on
   * @param firstIndex index that the first gets in the model's numbering
   * @param progress is told how many have been handed over
   */
  public void examples(
      EstimatedModel model,
      ExampleSource source,
      long count,
      long firstIndex,
      LongConsumer progress) {
    source.forEach(
        count,
        example -> {
          example(model, firstIndex + example.index(), example);
          progress.accept(1);
        });
    flush();
  }

  private void example(EstimatedModel model, long index, Example example) {
    List<ExampleInput> inputs = new ArrayList<>();
    new TreeMap<>(example.inputs())
        .forEach(
            (name, tensor) ->
                inputs.add(
                    new ExampleInput(
                        name, tensor.dtype().name(), tensor.shape(), tensor.bytes().duplicate())));
    send(
        topics.examples(),
        new ExampleKey(model.version(), index),
        model.partition(index, partitions),
        new LabelledExample(
            model.version().model(), model.version().version(), index, example.label(), inputs));
  }

  /** Sends, without waiting, what is counted of a model version in a partition of examples. */
  public void counted(int partition, CountedExamples counted) {
    send(
        topics.countedExamples(),
        new ModelVersion(counted.getModel(), counted.getVersion()),
        partition,
        counted);
  }

  /** Sends, without waiting, the tombstone of what is counted of a model version. */
  public void forgetCounted(int partition, ModelVersion version) {
    send(topics.countedExamples(), version, partition, null);
  }

  @SuppressWarnings("FutureReturnValueIgnored") // the callback keeps the failure
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
