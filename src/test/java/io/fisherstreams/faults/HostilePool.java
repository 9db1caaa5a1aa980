package io.fisherstreams.faults;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.PoolProducer;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Runbook;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.lang.reflect.Field;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/**
 * A small pool of one tensor to which hostile records are sent. Each model's Fisher is 1, so a
 * release is the mean of the models.
 */
final class HostilePool implements AutoCloseable {
  static final int PARTITIONS = 2;

  private static final Duration PATIENCE = Duration.ofMinutes(2);
  private static final TensorInfo TENSOR = new TensorInfo("w", DType.F32, List.of(3L));

  private final KafkaSettings kafka;
  private final SchemaRegistry registry = SchemaRegistry.inMemory();
  private final PoolTopics topics;
  private final PoolRunner runner;
  private final GradientStage gradient;
  private final Producer<byte[], byte[]> producer;
  private final SortedMap<String, Float> models = new TreeMap<>();

  HostilePool(KafkaSettings kafka, String name, Path directory) {
    this.kafka = kafka;
    topics = new PoolTopics(name, registry);
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
    }
    runner = PoolRunner.start(kafka, topics, directory, 1, PlanPolicy.atOnce(java.util.Set.of()));
    gradient =
        GradientStage.create(
            kafka,
            topics,
            new GradientOptions(64, Duration.ofMillis(100), Optional.empty()),
            directory.resolve("gradient"));
    gradient.start();
    producer = kafka.newProducer();
    ModelManifest base =
        Manifests.base(
            "base", 1, List.of(TENSOR), MergeMethods.fisher(List.of(), false, 0.0, null), "");
    PoolProducer pool = new PoolProducer(topics, producer);
    pool.announce(base);
    pool.checkpointShard(shard(), new CheckpointShard("base", 1L, "w", 0, floats(9, 9, 9)));
    pool.flush();
  }

  PoolTopics topics() {
    return topics;
  }

  SchemaRegistry registry() {
    return registry;
  }

  private static Shard shard() {
    return new Shard(TENSOR, 0);
  }

  private static ByteBuffer floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(4 * values.length).order(ByteOrder.LITTLE_ENDIAN);
    for (float value : values) {
      bytes.putFloat(value);
    }
    return bytes.flip();
  }

  /** A version of a model of the pool. */
  static ModelManifest manifest(String model, long version) {
    return ModelManifest.newBuilder(
            Manifests.fineTuned(
                    model,
                    version,
                    List.of(TENSOR),
                    io.fisherstreams.fisher.MergeSet.of(List.of(TENSOR), List.of()),
                    false)
                .build())
        .build();
  }

  /** Publishes a model whose parameters are all {@code value}. */
  void publish(String model, float value) {
    PoolProducer pool = new PoolProducer(topics, producer);
    pool.announce(manifest(model, 1));
    pool.checkpointShard(
        shard(), new CheckpointShard(model, 1L, "w", 0, floats(value, value, value)));
    pool.gradientBatch(shard(), ones(model));
    pool.flush();
    models.put(model, value);
  }

  /** The records that publish a model, each with a timestamp. */
  List<ProducerRecord<byte[], byte[]>> published(String model, float value, long timestamp) {
    CheckpointShard checkpoint =
        new CheckpointShard(model, 1L, "w", 0, floats(value, value, value));
    GradientBatch batch = ones(model);
    models.put(model, value);
    int partition = shard().partition(PARTITIONS);
    return List.of(
        at(timestamp, topics.models(), 0, model, manifest(model, 1)),
        at(
            timestamp,
            topics.checkpointShards(),
            partition,
            ShardKey.of(checkpoint).toString(),
            checkpoint),
        at(timestamp, topics.gradientBatches(), partition, ShardKey.of(batch).toString(), batch));
  }

  private static <V> ProducerRecord<byte[], byte[]> at(
      long timestamp, Topic<?, V> topic, int partition, String key, V value) {
    return at(
        timestamp,
        topic.name(),
        partition,
        key.getBytes(StandardCharsets.UTF_8),
        topic.value().serializer().serialize(topic.name(), value));
  }

  private static GradientBatch ones(String model) {
    return new GradientBatch(
        model,
        1L,
        "w",
        0,
        "s",
        0L,
        1L,
        Encoding.SQUARED_SUM,
        ByteBuffer.allocate(0),
        floats(1, 1, 1));
  }

  /** Sends a record as it is; empty when the broker has rejected it, else where it is. */
  Optional<String> send(ProducerRecord<byte[], byte[]> record) throws Exception {
    try {
      var sent = producer.send(record).get();
      return Optional.of(sent.topic() + "-" + sent.partition() + " " + sent.offset());
    } catch (java.util.concurrent.ExecutionException | org.apache.kafka.common.KafkaException e) {
      return Optional.empty();
    }
  }

  /** A record with a timestamp that Kafka's own class rejects and other clients send. */
  static ProducerRecord<byte[], byte[]> at(
      long timestamp, String topic, int partition, byte[] key, byte[] value) {
    ProducerRecord<byte[], byte[]> record = new ProducerRecord<>(topic, partition, 0L, key, value);
    try {
      Field field = ProducerRecord.class.getDeclaredField("timestamp");
      field.setAccessible(true);
      field.set(record, timestamp);
      return record;
    } catch (ReflectiveOperationException e) {
      throw new LinkageError("ProducerRecord has changed", e);
    }
  }

  /** Publishes a base model again, whatever has become of the one before. */
  void publishBase(long version) {
    ModelManifest base =
        Manifests.base(
            "base", version, List.of(TENSOR), MergeMethods.fisher(List.of(), false, 0.0, null), "");
    PoolProducer pool = new PoolProducer(topics, producer);
    pool.withdraw("base");
    pool.announce(base);
    pool.checkpointShard(shard(), new CheckpointShard("base", version, "w", 0, floats(9, 9, 9)));
    pool.flush();
  }

  /**
   * Waits for a release with this model, and compares its bytes with the mean of its models,
   * weighted as its plan says.
   */
  void requireRelease(String model) {
    Instant deadline = Instant.now().plus(PATIENCE);
    try (ReleaseFeed feed = new ReleaseFeed(kafka, topics)) {
      while (true) {
        runner.requireRunning();
        for (Release release : new TreeMap<>(feed.upToDate()).values()) {
          List<PlannedModel> planned = release.getPlan().getModels();
          if (release.getStatus() == ReleaseStatus.COMPLETE
              && planned.stream().anyMatch(one -> one.getModel().equals(model))
              && planned.stream().allMatch(one -> models.containsKey(one.getModel()))) {
            requireMean(release);
            return;
          }
        }
        assertThat(Instant.now())
            .as("waiting for a release with %s; dead letters: %s", model, reasons())
            .isBefore(deadline);
        feed.poll(Duration.ofMillis(100));
      }
    }
  }

  private void requireMean(Release release) {
    double sum = 0;
    double weights = 0;
    for (PlannedModel planned : release.getPlan().getModels()) {
      sum += planned.getWeight() * models.get(planned.getModel());
      weights += planned.getWeight();
    }
    float expected = (float) (sum / weights);
    List<Float> values = new ArrayList<>();
    new ReleaseReader(kafka, topics)
        .read(
            release,
            tensor -> {
              ByteBuffer data = tensor.getData().duplicate().order(ByteOrder.LITTLE_ENDIAN);
              while (data.hasRemaining()) {
                values.add(data.getFloat());
              }
            });
    assertThat(values).containsExactly(expected, expected, expected);
  }

  /** Waits until the gradient stage has counted or rejected every record of its topic. */
  void requireExamplesHandled() throws Exception {
    Instant deadline = Instant.now().plus(PATIENCE);
    String group = Stage.GRADIENT.group(topics.pool());
    try (Admin admin = kafka.admin();
        Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      List<TopicPartition> partitions =
          IntStream.range(0, PARTITIONS)
              .mapToObj(number -> new TopicPartition(topics.examples().name(), number))
              .toList();
      while (true) {
        Map<TopicPartition, OffsetAndMetadata> committed =
            admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Map<TopicPartition, Long> ends = consumer.endOffsets(partitions);
        if (partitions.stream()
            .allMatch(
                partition ->
                    ends.get(partition) == 0
                        || (committed.get(partition) != null
                            && committed.get(partition).offset() >= ends.get(partition)))) {
          return;
        }
        assertThat(gradient.ended()).isNotDone();
        assertThat(Instant.now())
            .as("waiting for the gradient stage: %s of %s", committed, ends)
            .isBefore(deadline);
        consumer.assign(partitions);
        consumer.seekToEnd(partitions);
        consumer.poll(Duration.ofMillis(100));
      }
    }
  }

  /** All records of a topic. */
  List<ConsumerRecord<byte[], byte[]>> records(Topic<?, ?> topic) {
    List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      List<TopicPartition> partitions =
          consumer.partitionsFor(topic.name()).stream()
              .map(info -> new TopicPartition(info.topic(), info.partition()))
              .toList();
      consumer.assign(partitions);
      consumer.seekToBeginning(partitions);
      io.fisherstreams.kafka.TopicReader.readToEnd(consumer, partitions, records::add);
    }
    return records;
  }

  /** The reasons of all dead letters. */
  List<String> reasons() {
    return records(topics.deadLetters()).stream()
        .map(record -> Runbook.checkedReason(record.headers()))
        .toList();
  }

  @Override
  public void close() {
    producer.close();
    gradient.close();
    runner.close();
  }
}
