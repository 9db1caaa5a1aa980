package io.fisherstreams.demo;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.kafka.KafkaSettings;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.monitor.Monitor;
import io.fisherstreams.oneshot.DeadLetterWatch;
import io.fisherstreams.publish.Manifests;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Stage;
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
import org.apache.kafka.clients.producer.Producer;

/**
 * One pool of the demo with the stages that users run. Models and their examples arrive as records
 * on its topics, the gradient stage estimates their Fishers, and releases are read from the topics.
 */
final class StreamedPool implements MergedModels {
  private static final int THREADS = 1;
  private static final String BASE = "base";
  private static final long VERSION = 1;

  /** Images that go through a network together. The Fisher does not depend on it. */
  private static final int BATCH = 100;

  // One model arrives at a time: no burst to wait for.
  private static final PlanPolicy AT_ONCE = PlanPolicy.atOnce(Set.of());
  private static final Duration POLL = Duration.ofMillis(20);

  // The stage waits for all images of a model, however slowly they arrive. So it adds them in one
  // order, and two pools give the same bytes.
  private static final GradientOptions IN_ORDER =
      new GradientOptions(
          GradientOptions.standard().claimExamples(), Duration.ofDays(1), Optional.empty());

  private final List<TensorInfo> tensors;
  private final KafkaSettings kafka;
  private final PoolTopics topics;
  private final PoolRunner runner;
  private final GradientStage gradient;
  private final Producer<byte[], byte[]> producer;
  private final Publisher publisher;
  private final ReleaseFeed feed;
  private final DeadLetterWatch deadLetters;
  private final SortedSet<String> models = new TreeSet<>();
  private long latest;

  /**
   * Starts the stages and publishes the base model.
   *
   * @param topics exist
   * @param directory for the stages' state
   */
  StreamedPool(
      KafkaSettings kafka, PoolTopics topics, Path directory, DigitParameters base, Method method) {
    this.tensors = base.tensors();
    this.kafka = kafka;
    this.topics = topics;
    producer = kafka.newProducer();
    publisher = new Publisher(topics, producer);
    feed = new ReleaseFeed(kafka, topics);
    deadLetters = new DeadLetterWatch(kafka, topics);
    runner = PoolRunner.start(kafka, topics, directory, THREADS, AT_ONCE);
    gradient = GradientStage.create(kafka, topics, IN_ORDER, directory.resolve("gradient"));
    gradient.start();
    publish(
        Manifests.base(
            BASE,
            VERSION,
            tensors,
            MergeMethods.fisher(List.of(), method.normalized(), method.epsilon(), null),
            ""),
        base);
  }

  /** Adds its stages to a monitor, which is closed before them. */
  void show(Monitor monitor) {
    runner.stages().forEach(monitor::add);
    monitor.add(Stage.GRADIENT, gradient);
  }

  @Override
  public MergedRelease arrive(FineTunedModel model) {
    int examples = model.examples().count();
    ModelManifest manifest =
        Manifests.fineTuned(model.name(), VERSION, tensors, MergeSet.of(tensors, List.of()), false)
            .setConfig(DigitNetwork.config())
            .setExamples(examples)
            .setEstimation(
                Estimation.newBuilder().setEstimator("exact").setBatchSize(BATCH).build())
            .build();
    publish(manifest, model.parameters());
    publisher.examples(
        EstimatedModel.of(manifest),
        new DigitExamples("images of " + model.name(), model.examples()),
        examples,
        0,
        sent -> {});
    models.add(model.name());
    return next();
  }

  @Override
  public MergedRelease withdraw(String model) {
    publisher.withdraw(model);
    models.remove(model);
    return next();
  }

  @Override
  public Map<String, DigitParameters> fishers() {
    Map<String, EstimatedFisher> fishers = new TreeMap<>();
    TopicReader.readAll(
        kafka,
        topics.gradientBatches(),
        (key, batch) -> {
          if (isEstimate(batch)) {
            fishers
                .computeIfAbsent(batch.getModel(), model -> new EstimatedFisher(tensors))
                .add(batch);
          }
        });
    Map<String, DigitParameters> means = new TreeMap<>();
    fishers.forEach((model, fisher) -> means.put(model, fisher.mean()));
    return means;
  }

  /** Whether a record is the gradient stage's own, not a tombstone or a sum of the merge stage. */
  private static boolean isEstimate(GradientBatch batch) {
    return batch != null && batch.getSource().startsWith(ShardKey.GRADIENT_SOURCE);
  }

  private void publish(ModelManifest manifest, DigitParameters parameters) {
    publisher.announce(manifest);
    publisher.checkpoint(manifest, parameters, bytes -> {});
  }

  /** Waits for the complete release of the models that are in the pool now. */
  private MergedRelease next() {
    while (true) {
      runner.requireRunning();
      gradient.requireRunning(Stage.GRADIENT);
      deadLetters.requireNone(Duration.ZERO);
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

  private DigitParameters read(Release release) {
    Map<String, float[]> values = new HashMap<>();
    for (TensorInfo tensor : tensors) {
      values.put(tensor.name(), new float[Math.toIntExact(tensor.elements())]);
    }
    new ReleaseReader(kafka, topics).read(release, shard -> copy(shard, values));
    return new DigitParameters(tensors, values);
  }

  private static void copy(MergedTensor shard, Map<String, float[]> values) {
    if (!shard.getDtype().equals(DType.F32.name())) {
      throw new IllegalStateException(
          "the release has %s as %s, expected F32"
              .formatted(shard.getParameter(), shard.getDtype()));
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
    try (runner;
        gradient;
        deadLetters;
        feed;
        producer) {
      // closed in reverse order
    }
  }
}
