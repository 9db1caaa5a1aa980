package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.checkpoint.TensorSource;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.kafka.OffsetRange;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.ExampleInput;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.LabelledExample;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.function.LongConsumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.common.TopicPartition;

/**
 * Publishes whole models: reads checkpoints, Fishers and examples and sends them to a pool's topics
 * through a {@link PoolProducer}. Publishing is idempotent: shards and batches carry names by which
 * the merge stage knows what it has. Each method returns when the brokers have acknowledged all its
 * records, except for {@link #gradientBatch}. Not thread-safe; the producer stays the caller's.
 */
public final class Publisher {
  private final PoolProducer pool;

  /** A publisher to a pool whose topics exist. */
  public Publisher(PoolTopics topics, Producer<byte[], byte[]> producer) {
    this.pool = new PoolProducer(topics, producer);
  }

  /** Announces a version of a model, or changes its coefficient. */
  public void announce(ModelManifest manifest) {
    pool.announce(manifest);
  }

  /** Withdraws a model. */
  public void withdraw(String model) {
    pool.withdraw(model);
  }

  /**
   * Sends every shard that the manifest lists.
   *
   * @param checkpoint holds the manifest's parameters
   * @param progress receives the bytes of each shard after it was sent
   */
  public void checkpoint(ModelManifest manifest, TensorSource checkpoint, LongConsumer progress) {
    for (Parameter parameter : manifest.getParameters()) {
      TensorInfo tensor = ManifestTensors.of(parameter);
      for (int index = 0; index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        pool.checkpointShard(
            shard,
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

  /** Sends every shard that the manifest lists, from an open checkpoint. */
  public void checkpoint(ModelManifest manifest, Checkpoint checkpoint, LongConsumer progress) {
    checkpoint(manifest, TensorSource.of(checkpoint), progress);
  }

  /**
   * Sends a Fisher file as one gradient batch a shard.
   *
   * @param fisher float32 means of squared gradients for every merged parameter of the manifest
   * @param source names the file's content, so that the merge stage counts it once
   * @param examples number of examples that the Fisher was computed from
   * @param progress receives the bytes of each batch after it was sent
   */
  public void fisher(
      ModelManifest manifest,
      Checkpoint fisher,
      String source,
      long examples,
      LongConsumer progress) {
    FisherReader reader = new FisherReader(fisher);
    for (TensorInfo tensor : ManifestTensors.merged(manifest)) {
      for (int index = 0; index < Shard.count(tensor); index++) {
        Shard shard = new Shard(tensor, index);
        gradientBatch(
            manifest, shard, source, 0, examples, Encoding.MEAN_SQUARE, reader.read(shard));
        progress.accept(shard.bytes());
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
    pool.gradientBatch(
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

  /**
   * Sends labelled examples.
   *
   * @param model the version that they are for
   * @param source holds at least {@code count} examples, preprocessed for the model
   * @param count how many of them to send, from the first on
   * @param firstIndex index of the first one in the model's numbering
   * @param progress receives how many were sent since its last call
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
    pool.example(
        model.partition(index, pool.partitions()),
        new LabelledExample(
            model.version().model(), model.version().version(), index, example.label(), inputs));
  }

  /** Where the records that the brokers have acknowledged lie. */
  public Map<TopicPartition, OffsetRange> sent() {
    return pool.sent();
  }

  /** Waits until everything that was sent is acknowledged. */
  public void flush() {
    pool.flush();
  }
}
