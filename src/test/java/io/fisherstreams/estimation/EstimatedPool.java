package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.coordinator.PoolStatus;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.Conformance;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.EstimatedSums;
import io.fisherstreams.gradient.ListSource;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.kafka.RunningInstances;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.publish.EstimatedCheckpoint;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.Runbook;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Stage;
import io.fisherstreams.record.Topic;
import io.fisherstreams.release.ReleaseReader;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ExecutionException;
import java.util.function.UnaryOperator;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.consumer.Consumer;
import org.apache.kafka.clients.producer.Producer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
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

  /** Its coordinator and merge stage, started in this process. */
  public PoolRunner runner(Path directory) {
    return PoolRunner.start(kafka, topics, directory, 1, PlanPolicy.standard());
  }

  /** An instance of the stage that is started. */
  public GradientStage start(Path directory) {
    return start(directory, Optional.empty());
  }

  /** As before, with TorchScript modules of the operator. */
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
              .manifest(model, 1, Optional.empty(), mergeSet, how, torchScript)
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

  /** The gradient stage's batches of a model, in the order of their topic. */
  public EstimatedSums estimated(ModelManifest manifest) {
    return sums(manifest, ShardKey.GRADIENT_SOURCE);
  }

  /** The merge stage's own sums of a model's batches. */
  public EstimatedSums accumulated(ModelManifest manifest) {
    return sums(manifest, "@sealed");
  }

  private EstimatedSums sums(ModelManifest manifest, String source) {
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
              && batch.getSource().startsWith(source)) {
            batches.add(batch);
          }
        });
    return new EstimatedSums(manifest, batches);
  }

  /** Waits until the batches of every shard count so many examples. */
  public void awaitCounts(ModelManifest manifest, long examples) {
    await()
        .atMost(PATIENCE)
        .untilAsserted(
            () -> assertThat(estimated(manifest).counts().values()).containsOnly(examples));
  }

  /** Waits until some examples are counted. */
  public void awaitSomeCounted(ModelManifest manifest) {
    await().atMost(PATIENCE).until(() -> estimated(manifest).claims() > 0);
  }

  /** The reasons of the dead letters so far. */
  public List<String> deadLetters() {
    List<String> reasons = new ArrayList<>();
    TopicPartition partition = new TopicPartition(topics.deadLetters().name(), 0);
    try (Consumer<byte[], byte[]> consumer = kafka.newConsumer()) {
      consumer.assign(List.of(partition));
      consumer.seekToBeginning(List.of(partition));
      TopicReader.readToEnd(
          consumer,
          List.of(partition),
          record -> reasons.add(Runbook.checkedReason(record.headers())));
    }
    return reasons;
  }

  /** Waits until so many instances have partitions of the examples. */
  public void awaitInstances(int count) {
    String group = Stage.GRADIENT.group(topics.pool());
    try (Admin admin = kafka.admin()) {
      await()
          .atMost(PATIENCE)
          .ignoreException(KafkaException.class)
          .until(
              () ->
                  RunningInstances.list(admin, group).stream()
                          .filter(instance -> instance.partitions() > 0)
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
  public ModelManifest publishBase(String conformance) {
    try (Checkpoint checkpoint =
            Checkpoint.open(Conformance.file(conformance, "model.safetensors"));
        Producer<byte[], byte[]> producer = kafka.newProducer()) {
      ModelManifest base = Manifests.base("base", 1, checkpoint.tensors().values());
      Publisher publisher = new Publisher(topics, producer);
      publisher.announce(base);
      publisher.checkpoint(base, checkpoint, bytes -> {});
      return base;
    }
  }

  /** Waits for a complete release with an epoch of a model. */
  public PlannedModel awaitEpoch(String model, int epoch) {
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
