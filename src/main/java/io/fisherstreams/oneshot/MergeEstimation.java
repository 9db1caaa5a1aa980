package io.fisherstreams.oneshot;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.estimation.ClaimListener;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.estimation.GradientStage;
import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.ModelFiles;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.example.ShortenedExamples;
import io.fisherstreams.local.PoolRunner;
import io.fisherstreams.oneshot.MergeListener.Unit;
import io.fisherstreams.publish.BaseModel;
import io.fisherstreams.publish.EstimatedCheckpoint;
import io.fisherstreams.publish.ModelCheck;
import io.fisherstreams.publish.Publisher;
import io.fisherstreams.record.Estimation;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Stage;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.atomic.AtomicLong;

/**
 * Estimates the Fishers of a merge's models that come with examples: streams a model with its
 * examples, and a gradient stage in this process, on the merge's own topics, turns them into
 * gradient batches. It does one model after another, so that memory holds one at a time.
 */
final class MergeEstimation implements ClaimListener, AutoCloseable {
  // The model needs every core, so this thread polls seldom.
  private static final Duration POLL = Duration.ofMillis(200);

  /** The model that is being estimated. */
  private record Current(
      ModelVersion version, long wanted, AtomicLong counted, TaskProgress progress) {
    void upTo(long claimed) {
      progress.upTo(counted.get() + claimed, wanted);
    }
  }

  private final MergeFile file;
  private final BaseModel base;
  private final GradientOptions options;
  private final MergeListener listener;
  private GradientStage stage;
  private volatile Current current;

  /**
   * Estimates nothing yet.
   *
   * @param options how the stage works, with the operator's TorchScript modules
   */
  MergeEstimation(MergeFile file, BaseModel base, GradientOptions options, MergeListener listener) {
    this.file = file;
    this.base = base;
    // All wanted examples come, however slowly they are read. Waiting for full claims keeps the
    // order of the sums, so that the same files give the same bytes.
    this.options =
        new GradientOptions(
            options.claimExamples(), Duration.ofDays(1), options.torchScripts(), options.compute());
    this.listener = listener;
  }

  /** Whether the merge has a model with examples instead of a Fisher. */
  boolean isNeeded() {
    return file.models().stream().anyMatch(file::estimates);
  }

  private interface Use {
    void of(EstimatedCheckpoint model, ExampleSource examples, ModelManifest manifest);
  }

  private void open(MergeFile.Model model, Use use) {
    MergeFile.Method method = file.method();
    Optional<Path> module = options.torchScript(model.name());
    ModelFiles files =
        ModelFiles.of(model.checkpoint(), Optional.of(base.path()), model.head(), module);
    try (Checkpoint checkpoint = base.open(model.checkpoint());
        EstimatedCheckpoint estimated = EstimatedCheckpoint.open(files, checkpoint);
        ExampleSource examples =
            ShortenedExamples.of(
                files.examples(model.examples().orElseThrow()), model.maxLength())) {
      examples.requireCount(method.numFisherExamples());
      Estimation estimation =
          new Estimation(
              method
                  .estimator()
                  .orElseGet(() -> Estimator.byDefault(files.isLanguageModel()))
                  .text(),
              method.samples(),
              method.seed(),
              method.batchSize(),
              List.of(),
              method.exactVocabulary());
      ModelManifest.Builder manifest =
          estimated
              .manifest(
                  model.name(),
                  1,
                  base.unchanged(checkpoint, 1),
                  base.mergeSet(),
                  estimation,
                  module.isPresent())
              .setExamples(method.numFisherExamples());
      use.of(estimated, examples, MergeMethods.with(manifest.build(), model.coefficients()));
    }
  }

  /**
   * Rejects, before anything is streamed, models and examples that do not fit each other.
   *
   * @throws io.fisherstreams.InvalidInput with file, tensor or index, expected and found
   */
  void check() {
    for (MergeFile.Model model : file.models()) {
      if (file.estimates(model)) {
        open(model, this::check);
      }
    }
  }

  private void check(
      EstimatedCheckpoint checkpoint, ExampleSource examples, ModelManifest manifest) {
    String task = "check examples of " + manifest.getModel();
    try (TaskProgress progress = listener.begin(task, Unit.EXAMPLES)) {
      progress.total(manifest.getExamples());
      checkpoint.requireRunnable(manifest, examples, manifest.getExamples(), progress::add);
      progress.done();
    }
    if (examples instanceof ShortenedExamples shortened) {
      shortened.note().ifPresent(listener::note);
    }
  }

  /** Starts the gradient stage. */
  void start(PoolRunner runner, Path directory) {
    stage = GradientStage.create(runner.kafka(), runner.topics(), options, this, directory);
    stage.start();
  }

  /**
   * Streams a model and its examples, and returns when its gradient batches are committed.
   *
   * @param watch of the pool that the stage was started for
   */
  void estimate(MergeFile.Model model, Publisher publisher, DeadLetterWatch watch) {
    open(
        model,
        (checkpoint, examples, manifest) -> {
          stream(checkpoint, manifest, publisher);
          estimate(examples, manifest, publisher, watch);
        });
  }

  private void stream(EstimatedCheckpoint checkpoint, ModelManifest manifest, Publisher publisher) {
    try (TaskProgress progress = listener.begin("stream " + manifest.getModel(), Unit.BYTES)) {
      progress.total(ModelCheck.bytes(manifest));
      publisher.announce(manifest);
      publisher.checkpoint(manifest, checkpoint.tensors(), progress::add);
      progress.done();
    }
  }

  private void estimate(
      ExampleSource examples, ModelManifest manifest, Publisher publisher, DeadLetterWatch watch) {
    EstimatedModel model = EstimatedModel.of(manifest);
    long wanted = manifest.getExamples();
    try (TaskProgress progress =
        listener.begin("fisher of " + manifest.getModel(), Unit.EXAMPLES)) {
      Current estimate = new Current(model.version(), wanted, new AtomicLong(), progress);
      current = estimate;
      publisher.examples(model, examples, wanted, 0, sent -> {});
      while (estimate.counted.get() < wanted) {
        watch.requireNone(POLL);
        stage.requireRunning(Stage.GRADIENT);
      }
      progress.done();
    } finally {
      current = null;
    }
  }

  @Override
  public void claimed(ModelVersion version, long examples) {
    Current estimate = current;
    if (estimate != null && estimate.version.equals(version)) {
      estimate.upTo(examples);
    }
  }

  @Override
  public void counted(ModelVersion version, long examples) {
    Current estimate = current;
    if (estimate != null && estimate.version.equals(version)) {
      estimate.counted.addAndGet(examples);
    }
  }

  @Override
  public void close() {
    if (stage != null) {
      stage.close();
    }
  }
}
