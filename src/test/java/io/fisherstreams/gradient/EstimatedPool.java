package io.fisherstreams.gradient;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.stage.GradientOptions;
import io.fisherstreams.gradient.stage.GradientStage;
import io.fisherstreams.publish.EstimatedCheckpoint;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.DeadLetters;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.KafkaSettings;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolAdmin;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.record.TopicReader;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteOrder;
import java.nio.IntBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.function.UnaryOperator;
import java.util.stream.IntStream;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;

/** A pool on a running broker whose models' Fishers are estimated from topic {@code examples}. */
public final class EstimatedPool {
  /** Partitions of its topics. */
  public static final int PARTITIONS = 4;

  private static final Duration PATIENCE = Duration.ofMinutes(3);

  private final KafkaSettings kafka;
  private final PoolTopics topics;

  /** A pool whose topics are created. */
  public EstimatedPool(KafkaSettings kafka, PoolTopics topics) {
    this.kafka = kafka;
    this.topics = topics;
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
    }
  }

  PoolTopics topics() {
    return topics;
  }

  /** An instance of the stage that is started. */
  public GradientStage start(Path directory) {
    return start(directory, Optional.empty());
  }

  /** The same, whose operator has TorchScript modules. */
  GradientStage start(Path directory, Optional<Path> torchScripts) {
    GradientOptions options = new GradientOptions(1024, Duration.ofMillis(300), torchScripts);
    GradientStage stage = GradientStage.create(kafka, topics, options, directory);
    stage.start();
    return stage;
  }

  /** Announces version 1 of a conformance case as a model that wants its examples. */
  public ModelManifest publish(
      String model, String conformance, Estimation how, long examples, long refineEvery) {
    return publish(model, conformance, how, examples, refineEvery, manifest -> {});
  }

  /** The same with a manifest that is changed before it is announced. */
  ModelManifest publish(
      String model,
      String conformance,
      Estimation how,
      long examples,
      long refineEvery,
      java.util.function.Consumer<ModelManifest> change) {
    return publish(model, conformance, how, examples, refineEvery, change, true);
  }

  private ModelManifest publish(
      String model,
      String conformance,
      Estimation how,
      long examples,
      long refineEvery,
      java.util.function.Consumer<ModelManifest> change,
      boolean withShards) {
    Path file = Conformance.file(conformance, "model.safetensors");
    ModelFiles files =
        ModelFiles.of(file, existing(conformance, "head.safetensors"), Optional.empty());
    try (Checkpoint checkpoint = Checkpoint.open(file);
        EstimatedCheckpoint estimated = EstimatedCheckpoint.open(files, checkpoint);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      MergeSet mergeSet = MergeSet.of(checkpoint.tensors().values(), List.of());
      boolean torchScript = existing(conformance, "config.json").isEmpty();
      ModelManifest manifest =
          estimated
              .manifest(model, 1, mergeSet, how, torchScript)
              .setExamples(examples)
              .setRefineEvery(refineEvery)
              .build();
      change.accept(manifest);
      Publisher publisher = new Publisher(topics, producer);
      publisher.announce(manifest);
      if (withShards) {
        publisher.checkpoint(manifest, estimated.tensors(), bytes -> {});
      }
      return manifest;
    }
  }

  private static Optional<Path> existing(String conformance, String name) {
    return Optional.of(Conformance.file(conformance, name)).filter(Files::exists);
  }

  /** Announces a model without sending its checkpoint. */
  ModelManifest announce(String model, String conformance, Estimation how, long examples) {
    return publish(model, conformance, how, examples, 0, manifest -> {}, false);
  }

  /**
   * Sends examples {@code first} to {@code end} − 1, where example i is example i mod count of a
   * conformance case.
   */
  public void examples(ModelManifest manifest, String conformance, long first, long end) {
    examples(manifest, conformance, first, end, example -> example);
  }

  /** Sends examples that are changed before. */
  void examples(
      ModelManifest manifest,
      String conformance,
      long first,
      long end,
      UnaryOperator<Example> change) {
    List<Example> examples = new ArrayList<>();
    try (ExampleSource source = Conformance.examples(conformance);
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      for (long index = first; index < end; index++) {
        Example example = source.read(index % source.count(), 1).get(0);
        examples.add(
            change.apply(new Example("test", index - first, example.label(), example.inputs())));
      }
      new Publisher(topics, producer)
          .examples(
              EstimatedModel.of(manifest), new ListSource(examples), end - first, first, n -> {});
    }
  }

  /** Sends one record as it is. */
  public void send(Topic<?, ?> topic, int partition, byte[] key, byte[] value) {
    try (Producer<byte[], byte[]> producer = kafka.newProducer()) {
      producer.send(new ProducerRecord<>(topic.name(), partition, key, value)).get();
    } catch (ExecutionException | InterruptedException e) {
      throw new AssertionError(e);
    }
  }

  /** The gradient batches of a model in the order of their topic, of the stage's sources alone. */
  public List<GradientBatch> batches(ModelManifest manifest) {
    List<GradientBatch> batches = new ArrayList<>();
    Topic<String, GradientBatch> topic =
        new Topic<>(
            topics.gradientBatches().name(),
            null,
            topics.gradientBatches().value(),
            true,
            Map.of());
    TopicReader.readAll(
        kafka,
        topic,
        (key, batch) -> {
          if (batch != null
              && batch.getModel().equals(manifest.getModel())
              && batch.getSource().startsWith(ShardKey.GRADIENT_SOURCE)) {
            batches.add(batch);
          }
        });
    return batches;
  }

  /** By shard, the examples that its batches stand for. */
  public Map<String, Long> counts(ModelManifest manifest) {
    Map<String, Long> counts = new TreeMap<>();
    ModelCheck.merged(manifest)
        .forEach(
            tensor ->
                IntStream.range(0, Shard.count(tensor))
                    .forEach(index -> counts.put(Shard.id(tensor.name(), index), 0L)));
    for (GradientBatch batch : batches(manifest)) {
      counts.merge(
          Shard.id(batch.getParameter(), batch.getShard()), batch.getExamples(), Long::sum);
    }
    return counts;
  }

  /** Waits until every shard's batches stand for so many examples. */
  public void awaitCounts(ModelManifest manifest, long examples) {
    await()
        .atMost(PATIENCE)
        .untilAsserted(() -> assertThat(counts(manifest).values()).containsOnly(examples));
  }

  /** The mean of all batches: the Fisher, by parameter. */
  public Map<String, double[]> fisher(ModelManifest manifest) {
    Map<String, double[]> fisher = new HashMap<>();
    ModelCheck.merged(manifest)
        .forEach(tensor -> fisher.put(tensor.name(), new double[(int) tensor.elements()]));
    Map<String, Long> counts = counts(manifest);
    Set<String> identities = new HashSet<>();
    for (GradientBatch batch : batches(manifest)) {
      assertThat(
              identities.add(
                  batch.getParameter()
                      + batch.getShard()
                      + batch.getSource()
                      + "#"
                      + batch.getSequence()))
          .isTrue();
      double[] values = fisher.get(batch.getParameter());
      int from = batch.getShard() * Shard.ELEMENTS;
      long examples = counts.get(Shard.id(batch.getParameter(), batch.getShard()));
      var data = batch.getData().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
      if (batch.getEncoding() == Encoding.SPARSE_SQUARED_SUM) {
        IntBuffer indices = batch.getIndices().order(ByteOrder.LITTLE_ENDIAN).asIntBuffer();
        while (indices.hasRemaining()) {
          values[from + indices.get()] += (double) data.get() / examples;
        }
      } else {
        for (int i = from; data.hasRemaining(); i++) {
          values[i] += (double) data.get() / examples;
        }
      }
    }
    return fisher;
  }

  /**
   * How far the mean of all batches is from a conformance case's Fisher: by parameter, the largest
   * difference relative to the largest expected entry.
   */
  public Map<String, Double> errors(ModelManifest manifest, String conformance, String estimator) {
    Map<String, double[]> found = fisher(manifest);
    Map<String, Double> errors = new TreeMap<>();
    Conformance.tensors(Conformance.file(conformance, "expected-" + estimator + ".safetensors"))
        .forEach(
            (name, values) -> {
              if (!name.endsWith("k_proj.bias")) { // softmax does not see it
                errors.put(name, Conformance.relativeError(found.get(name), values));
              }
            });
    return errors;
  }

  /** How many claims the batches of a model come from. */
  public long claims(ModelManifest manifest) {
    return batches(manifest).stream()
        .map(batch -> batch.getSource() + "#" + batch.getSequence())
        .distinct()
        .count();
  }

  /** The reasons of the dead letters so far. */
  public List<String> deadLetters() {
    List<String> reasons = new ArrayList<>();
    TopicPartition partition = new TopicPartition(topics.deadLetters().name(), 0);
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      long end = consumer.endOffsets(List.of(partition)).get(partition);
      while (consumer.position(partition) < end) {
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
          reasons.add(DeadLetters.reason(record.headers()));
        }
      }
    }
    return reasons;
  }

  /** Waits until so many instances have partitions of the examples. */
  public void awaitInstances(int count) {
    String group = KafkaSettings.applicationId(topics, "gradient");
    try (Admin admin = kafka.admin()) {
      await()
          .atMost(PATIENCE)
          .ignoreException(ExecutionException.class)
          .until(
              () ->
                  admin
                          .describeConsumerGroups(List.of(group))
                          .all()
                          .get()
                          .get(group)
                          .members()
                          .stream()
                          .filter(member -> !member.assignment().topicPartitions().isEmpty())
                          .count()
                      == count);
    }
  }

  /** Waits until there are so many dead letters. */
  void awaitDeadLetters(int count) {
    await().atMost(PATIENCE).untilAsserted(() -> assertThat(deadLetters()).hasSize(count));
  }

  /** Waits until the stage has committed all examples that were sent. */
  public void awaitCommitted() {
    await()
        .atMost(PATIENCE)
        .until(() -> PoolStatus.read(kafka, topics).lags().get("gradient") == 0);
  }

  /** Publishes a conformance case as the pool's base model. */
  public void publishBase(String conformance) {
    try (Checkpoint checkpoint =
            Checkpoint.open(Conformance.file(conformance, "model.safetensors"));
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      ModelManifest base =
          Manifests.base(
              "base",
              1,
              checkpoint.tensors().values(),
              new MergeMethod(List.of(), true, 1e-6, null),
              "");
      Publisher publisher = new Publisher(topics, producer);
      publisher.announce(base);
      publisher.checkpoint(base, checkpoint, bytes -> {});
    }
  }

  /** Waits for a complete release with an epoch of a model. */
  PlannedModel awaitEpoch(String model, int epoch) {
    ReleaseReader reader = new ReleaseReader(kafka, topics);
    return await()
        .atMost(PATIENCE)
        .until(
            () ->
                reader.all().stream()
                    .filter(release -> release.getStatus() == ReleaseStatus.COMPLETE)
                    .flatMap(release -> release.getPlan().getModels().stream())
                    .filter(m -> m.getModel().equals(model) && m.getEpoch() == epoch)
                    .findFirst(),
            Optional::isPresent)
        .orElseThrow();
  }
}
