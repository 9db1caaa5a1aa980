package io.fisherstreams.demo;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.PoolAdmin;
import io.fisherstreams.local.EmbeddedBroker;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.serde.SchemaRegistry;
import io.fisherstreams.release.ReleaseFeed;
import io.fisherstreams.release.ReleaseReader;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.SortedMap;
import java.util.SortedSet;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.producer.Producer;

/**
 * The demo's pools as they run for users: an embedded broker, and for each pool its topics and
 * stages. Models arrive as records on the topics, releases are read from them.
 */
public final class StreamedPools implements MergedModels.Opener, AutoCloseable {
  private static final int PARTITIONS = 4;
  private static final int THREADS = 1;
  private static final String BASE = "base";
  private static final String SOURCE = "demo";
  private static final long VERSION = 1;

  // One model arrives at a time: there is no burst to wait for.
  private static final PlanPolicy AT_ONCE = PlanPolicy.atOnce(Set.of());
  private static final Duration POLL = Duration.ofMillis(20);

  private final Path directory;
  private final EmbeddedBroker broker;
  private final KafkaSettings kafka;

  /**
   * Starts the broker.
   *
   * @param directory empty; the caller removes it after {@link #close}
   */
  public StreamedPools(Path directory) {
    this.directory = directory;
    broker = EmbeddedBroker.start(directory.resolve("kafka"), 0, PoolTopics.MAX_DEAD_LETTER_BYTES);
    kafka = new KafkaSettings(broker.bootstrapServers(), Map.of());
  }

  @Override
  public MergedModels open(String pool, Parameters base, MergedModels.Method method) {
    PoolTopics topics = new PoolTopics(pool, SchemaRegistry.inMemory());
    try (Admin admin = kafka.admin()) {
      new PoolAdmin(admin, topics).create(PARTITIONS, Optional.empty());
    }
    return new StreamedPool(topics, base, method);
  }

  @Override
  public void close() {
    broker.close();
  }

  private final class StreamedPool implements MergedModels {
    private final List<TensorInfo> tensors;
    private final PoolTopics topics;
    private final PoolRunner runner;
    private final Producer<byte[], byte[]> producer;
    private final Publisher publisher;
    private final ReleaseFeed feed;
    private final SortedSet<String> models = new TreeSet<>();
    private long latest;

    StreamedPool(PoolTopics topics, Parameters base, Method method) {
      this.tensors = List.copyOf(base.tensors());
      this.topics = topics;
      producer = kafka.newProducer();
      publisher = new Publisher(topics, producer);
      feed = new ReleaseFeed(kafka, topics);
      runner =
          PoolRunner.start(
              kafka, topics, directory.resolve("state-" + topics.pool()), THREADS, AT_ONCE);
      publish(
          Manifests.base(
              BASE,
              VERSION,
              tensors,
              new MergeMethod(List.of(), method.normalized(), method.epsilon(), null),
              ""),
          base);
    }

    @Override
    public MergedRelease arrive(FineTunedModel model) {
      ModelManifest manifest =
          Manifests.fineTuned(
                  model.name(), VERSION, tensors, MergeSet.of(tensors, List.of()), false)
              .setExamples(model.examples())
              .build();
      publish(manifest, model.parameters());
      for (int sequence = 0; sequence < model.gradients().size(); sequence++) {
        publish(manifest, sequence, model.gradients().get(sequence));
      }
      publisher.flush();
      models.add(model.name());
      return next();
    }

    @Override
    public MergedRelease withdraw(String model) {
      publisher.withdraw(model);
      models.remove(model);
      return next();
    }

    private void publish(ModelManifest manifest, Parameters parameters) {
      Path file = directory.resolve(topics.pool() + "-" + manifest.getModel() + ".safetensors");
      parameters.writeTo(file);
      try (Checkpoint checkpoint = Checkpoint.open(file)) {
        publisher.announce(manifest);
        publisher.checkpoint(manifest, checkpoint, bytes -> {});
      }
    }

    private void publish(ModelManifest manifest, long sequence, SquaredGradients batch) {
      for (TensorInfo tensor : tensors) {
        for (int index = 0; index < Shard.count(tensor); index++) {
          Shard shard = new Shard(tensor, index);
          publisher.gradientBatch(
              manifest,
              shard,
              SOURCE,
              sequence,
              batch.examples(),
              Encoding.SQUARED_SUM,
              batch
                  .sums()
                  .bytes(tensor.name(), Math.toIntExact(shard.firstElement()), shard.elements()));
        }
      }
    }

    /** Waits for the complete release of the models that are in the pool now. */
    private MergedRelease next() {
      while (true) {
        runner.requireRunning();
        for (Release release : feed.poll(POLL).tailMap(latest + 1).values()) {
          latest = release.getRelease();
          SortedMap<String, Double> shares = new TreeMap<>();
          for (PlannedModel model : release.getPlan().getModels()) {
            shares.put(model.getModel(), model.getShare());
          }
          if (release.getStatus() == ReleaseStatus.COMPLETE && shares.keySet().equals(models)) {
            return new MergedRelease(latest, read(release), shares);
          }
        }
      }
    }

    private Parameters read(Release release) {
      Map<String, float[]> values = new HashMap<>();
      for (TensorInfo tensor : tensors) {
        values.put(tensor.name(), new float[Math.toIntExact(tensor.elements())]);
      }
      new ReleaseReader(kafka, topics).read(release, shard -> place(shard, values));
      return new Parameters(tensors, values);
    }

    private static void place(MergedTensor shard, Map<String, float[]> values) {
      if (!shard.getDtype().equals(DType.F32.name())) {
        throw new IllegalStateException(
            shard.getParameter() + " was released as " + shard.getDtype() + ", expected F32");
      }
      shard
          .getData()
          .duplicate()
          .order(ByteOrder.LITTLE_ENDIAN)
          .asFloatBuffer()
          .get(
              values.get(shard.getParameter()),
              shard.getShard() * Shard.ELEMENTS,
              shard.getData().remaining() / Float.BYTES);
    }

    @Override
    public void close() {
      try (feed;
          producer) {
        runner.close();
      }
    }
  }
}
