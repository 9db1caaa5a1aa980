package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.LocalPool;
import io.fisherstreams.merge.LocalPayloads;
import io.fisherstreams.merge.MergeOptions;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.tensor.DType;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import org.apache.kafka.clients.producer.Producer;

/** A local pool of synthetic models, which arrive one by one. */
final class ArrivalPool implements AutoCloseable {
  static final int PARTITIONS = 4;
  private static final int THREADS = 2;

  private final SyntheticModel shapes;
  private final Map<String, ModelManifest> announced = new HashMap<>();
  private final Path weights;
  private final Path fisher;
  private final Path stages;
  private final LocalPool pool;
  private final Producer<byte[], byte[]> producer;
  private final ReleaseFeed feed;
  private final Publisher publisher;
  private final MergeSet mergeSet;

  /**
   * How long an arrival took, in seconds.
   *
   * @param publishing until the last record was acknowledged
   * @param releasing from there until the release with the model was complete
   */
  record Arrival(double publishing, double releasing) {
    double seconds() {
      return publishing + releasing;
    }
  }

  /** A pool of models with the shapes of CLIP's vision tower. */
  ArrivalPool(Path directory, DType dtype) throws Exception {
    this(directory, SyntheticModel.clip(dtype), LocalPayloads.ALL);
  }

  /** A pool in a directory, with a base model. */
  ArrivalPool(Path directory, SyntheticModel shapes, LocalPayloads local) throws Exception {
    this.shapes = shapes;
    Files.createDirectories(directory);
    weights = directory.resolve("model.safetensors");
    fisher = directory.resolve("fisher.safetensors");
    stages = directory.resolve("pool");
    pool =
        LocalPool.start(
            stages,
            PARTITIONS,
            THREADS,
            new MergeOptions(MergeOptions.standard().kernel(), local),
            new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of()));
    producer = kafka().newProducer();
    feed = new ReleaseFeed(kafka(), topics());
    publisher = new Publisher(topics(), producer);
    Path base = directory.resolve("base.safetensors");
    shapes.writeCheckpoint(base, 0);
    try (Checkpoint checkpoint = Checkpoint.open(base)) {
      mergeSet = SyntheticModel.publishBase(publisher, checkpoint);
    }
  }

  KafkaSettings kafka() {
    return pool.runner().kafka();
  }

  PoolTopics topics() {
    return pool.runner().topics();
  }

  /** The checkpoint that arrives next. */
  Path weights() {
    return weights;
  }

  /** Its Fisher, float32. */
  Path fisher() {
    return fisher;
  }

  /** The stages' state directory. */
  Path state() {
    return stages.resolve("state");
  }

  /** Writes the next model's files. */
  void write(long seed) {
    shapes.writeCheckpoint(weights, seed);
    shapes.writeFisher(fisher, 1000 + seed);
  }

  /** Publishes the files that were written. */
  void publish(String name, long version) {
    try (Checkpoint checkpoint = Checkpoint.open(weights);
        Checkpoint entries = Checkpoint.open(fisher)) {
      ModelManifest manifest =
          Manifests.fineTuned(name, version, checkpoint.tensors().values(), mergeSet, false)
              .build();
      announced.put(name, manifest);
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint, bytes -> {});
      publisher.fisher(manifest, entries, "bench", 1, bytes -> {});
    }
  }

  /** Publishes the files that were written, and waits for the release with this model. */
  Arrival arrive(String name, long version) {
    long start = System.nanoTime();
    publish(name, version);
    long published = System.nanoTime();
    return new Arrival(
        (published - start) / 1e9, await(release -> hasModel(release, name, version)));
  }

  /** Gives a model another coefficient; seconds until the release with it. */
  double weigh(String name, double coefficient) {
    publisher.announce(
        ModelManifest.newBuilder(announced.get(name)).setCoefficient(coefficient).build());
    return await(
        release ->
            release.getPlan().getModels().stream()
                .anyMatch(
                    model ->
                        model.getModel().equals(name) && model.getCoefficient() == coefficient));
  }

  /** Withdraws a model; seconds until the release without it. */
  double withdraw(String name) {
    publisher.withdraw(name);
    return await(
        release ->
            release.getPlan().getModels().stream()
                .noneMatch(model -> model.getModel().equals(name)));
  }

  /** Seconds from now until the newest complete release is one that is wanted. */
  private double await(Predicate<Release> isWanted) {
    long start = System.nanoTime();
    while (feed.poll(Duration.ofMillis(20)).values().stream()
        .filter(release -> release.getStatus() == ReleaseStatus.COMPLETE)
        .reduce((before, release) -> release)
        .filter(isWanted)
        .isEmpty()) {
      pool.runner().requireRunning();
    }
    return (System.nanoTime() - start) / 1e9;
  }

  private static boolean hasModel(Release release, String name, long version) {
    return release.getPlan().getModels().stream()
        .anyMatch(model -> model.getModel().equals(name) && model.getVersion() == version);
  }

  @Override
  public void close() {
    feed.close();
    producer.close();
    pool.close();
  }
}
