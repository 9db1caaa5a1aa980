package io.fisherstreams.demo;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * The demo's story. It trains a base model and six fine-tuned models on handwritten digits; the
 * fine-tuned models arrive in a pool one after another; then one is withdrawn. After each change it
 * measures the release on every task, and beside it the plain average of the pool's models and the
 * base model.
 *
 * <p>The tasks show what Fisher merging can do. Models that read the four corners depend on
 * different pixels, so their Fishers say whose weight counts where. The tilted and the bold digits
 * use the same pixels as the originals; there the Fisher says less.
 */
public final class DemoScenario {
  /** The model that is withdrawn at the end. */
  static final DigitTask WITHDRAWN = DigitTask.TOP_LEFT;

  /** How the pools merge. */
  static final MergedModels.Method METHOD = new MergedModels.Method(1e-6, true);

  /**
   * The amount of work.
   *
   * @param baseEpochs epochs of the base model's training
   * @param taskEpochs epochs of each fine-tuning
   * @param fisherExamples training images of each Fisher
   */
  record Effort(int baseEpochs, int taskEpochs, int fisherExamples) {
    static final Effort FULL = new Effort(6, 2, 2_000);
  }

  private final MnistData data;
  private final Effort effort;
  private final long seed;
  private final MergedModels.Opener pools;
  private final DemoListener listener;
  private final List<FineTunedModel> models = new ArrayList<>();
  private final SortedMap<String, DigitParameters> present = new TreeMap<>();
  private final List<PoolChange> changes = new ArrayList<>();

  /**
   * A scenario for one run.
   *
   * @param seed of all random draws; the same seed gives the same networks on the same machine
   * @param pools starts the pools
   * @param listener receives the progress
   */
  public DemoScenario(long seed, MergedModels.Opener pools, DemoListener listener) {
    this(MnistData.load(), Effort.FULL, seed, pools, listener);
  }

  DemoScenario(
      MnistData data, Effort effort, long seed, MergedModels.Opener pools, DemoListener listener) {
    this.data = data;
    this.effort = effort;
    this.seed = seed;
    this.pools = pools;
    this.listener = listener;
  }

  /** Runs the scenario. It closes the pools, then passes their exceptions on. */
  public DemoResult run() {
    long start = System.nanoTime();
    try (ModelTraining training = new ModelTraining(data.train(), effort, seed, listener);
        TestSets tests = new TestSets(data.test())) {
      DigitNetwork base = training.base();
      Scores baseScores = tests.scores(base.parameters());
      Map<DigitTask, Double> alone = new EnumMap<>(DigitTask.class);
      Map<String, DigitParameters> fishers;
      DigitParameters merged;
      try (MergedModels pool = pools.open("digits", base.parameters(), METHOD)) {
        listener.based(baseScores);
        for (DigitTask task : DigitTask.values()) {
          FineTunedModel model = training.fineTuned(task, base);
          alone.put(task, tests.accuracy(task, model.parameters()));
          listener.fineTuned(task, alone.get(task), model.examples().count());
          models.add(model);
          present.put(model.name(), model.parameters());
          change(task, true, () -> pool.arrive(model), baseScores, tests);
        }
        fishers = pool.fishers();
        present.remove(WITHDRAWN.model());
        merged =
            change(WITHDRAWN, false, () -> pool.withdraw(WITHDRAWN.model()), baseScores, tests);
      }
      listener.verifying(WITHDRAWN);
      boolean exact = withoutTheWithdrawn(base.parameters()).sameBits(merged);
      DemoResult result =
          new DemoResult(
              base.parameters(),
              pooled(fishers, tests),
              seed,
              effort.fisherExamples(),
              data.test().count(),
              baseScores,
              alone,
              changes,
              MethodComparison.of(base.parameters(), models, fishers, tests),
              exact,
              merged,
              Duration.ofNanos(System.nanoTime() - start));
      listener.finished(result);
      return result;
    }
  }

  private List<PooledModel> pooled(Map<String, DigitParameters> fishers, TestSets tests) {
    return models.stream()
        .map(
            model ->
                new PooledModel(
                    model.name(),
                    model.parameters(),
                    fishers.get(model.name()),
                    model.examples(),
                    tests.images(model.name())))
        .toList();
  }

  /** Changes the pool, waits for the release and measures it; returns the release's parameters. */
  private DigitParameters change(
      DigitTask model,
      boolean arrived,
      Supplier<MergedRelease> action,
      Scores base,
      TestSets tests) {
    long start = System.nanoTime();
    MergedRelease release = action.get();
    Duration waited = Duration.ofNanos(System.nanoTime() - start);
    if (!release.shares().keySet().equals(present.keySet())) {
      throw new IllegalStateException(
          String.format(
              Locale.ROOT,
              "release %d merges %s, expected the pool's models %s",
              release.id(),
              release.shares().keySet(),
              present.keySet()));
    }
    PoolChange change =
        new PoolChange(
            model,
            arrived,
            release.id(),
            release.shares(),
            tests.scores(release.parameters()),
            tests.scores(DigitParameters.mean(present.values())),
            waited);
    changes.add(change);
    listener.released(change, base);
    return release.parameters();
  }

  /** The last release of a second pool, in which all models but the withdrawn one arrive. */
  private DigitParameters withoutTheWithdrawn(DigitParameters base) {
    DigitParameters merged = base;
    try (MergedModels pool = pools.open("digits-without-" + WITHDRAWN.model(), base, METHOD)) {
      for (FineTunedModel model : models) {
        if (!model.name().equals(WITHDRAWN.model())) {
          merged = pool.arrive(model).parameters();
        }
      }
    }
    return merged;
  }
}
