package io.fisherstreams.bench;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.local.LocalPool;
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
import java.util.Set;
import org.apache.kafka.clients.producer.Producer;

/** A local pool of models with the shapes of CLIP's vision tower, which arrive one by one. */
final class ArrivalPool implements AutoCloseable {
  static final int PARTITIONS = 4;
  private static final int THREADS = 2;

  private final DType dtype;
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

  /** A pool in a directory, with a base model. */
  ArrivalPool(Path directory, DType dtype) throws Exception {
    this.dtype = dtype;
    Files.createDirectories(directory);
    weights = directory.resolve("model.safetensors");
    fisher = directory.resolve("fisher.safetensors");
    stages = directory.resolve("pool");
    pool =
        LocalPool.start(
            stages,
            PARTITIONS,
            THREADS,
            new PlanPolicy(Duration.ZERO, Duration.ZERO, 1, Duration.ZERO, Set.of()));
    producer = kafka().newProducer();
    feed = new ReleaseFeed(kafka(), topics());
    publisher = new Publisher(topics(), producer);
    Path base = directory.resolve("base.safetensors");
    SyntheticModel.clip(dtype).writeCheckpoint(base, 0);
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
    SyntheticModel.clip(dtype).writeCheckpoint(weights, seed);
    SyntheticModel.clip(DType.F32).writeFisher(fisher, 1000 + seed);
  }

  /** Publishes the files that were written, and waits for the release with this model. */
  Arrival arrive(String name, long version) {
    try (Checkpoint checkpoint = Checkpoint.open(weights);
        Checkpoint entries = Checkpoint.open(fisher)) {
      ModelManifest manifest =
          Manifests.fineTuned(name, version, checkpoint.tensors().values(), mergeSet, false)
              .build();
      long start = System.nanoTime();
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint, bytes -> {});
      publisher.fisher(manifest, entries, "bench", 1, bytes -> {});
      long published = System.nanoTime();
      while (feed.poll(Duration.ofMillis(20)).values().stream()
          .noneMatch(release -> hasModel(release, name, version))) {
        pool.runner().requireRunning();
      }
      return new Arrival((published - start) / 1e9, (System.nanoTime() - published) / 1e9);
    }
  }

  private static boolean hasModel(Release release, String name, long version) {
    return release.getStatus() == ReleaseStatus.COMPLETE
        && release.getPlan().getModels().stream()
            .anyMatch(model -> model.getModel().equals(name) && model.getVersion() == version);
  }

  @Override
  public void close() {
    feed.close();
    producer.close();
    pool.close();
  }
}
