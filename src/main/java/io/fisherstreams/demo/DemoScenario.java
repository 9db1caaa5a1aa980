package io.fisherstreams.demo;

import java.time.Duration;
import java.util.ArrayList;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.Supplier;

/**
 * A base model and six fine-tuned ones, trained here on handwritten digits, arrive one after
 * another in a pool; then one is withdrawn. After each change the release is measured on every
 * task, beside the plain average of the same models and the base model.
 *
 * <p>The tasks were chosen for what Fisher merging does: models that read the four corners depend
 * on different pixels, so their Fishers tell whose weight counts where; the tilted and the bold
 * digits lie on the same pixels as the originals, where it has less to say.
 */
public final class DemoScenario {
  /** The model that is withdrawn at the end. */
  static final DigitTask WITHDRAWN = DigitTask.TOP_LEFT;

  /** How the pool is merged. */
  static final MergedModels.Method METHOD = new MergedModels.Method(1e-6, true);

  /**
   * How much is done.
   *
   * @param baseEpochs epochs of the base model's training
   * @param taskEpochs epochs of each fine-tuning
   * @param fisherExamples training images behind each Fisher
   * @param fisherBatch images of a gradient batch
   */
  record Effort(int baseEpochs, int taskEpochs, int fisherExamples, int fisherBatch) {
    static final Effort FULL = new Effort(6, 2, 2_000, 500);
  }

  private static final double BASE_RATE = 1e-3;
  private static final double TASK_RATE = 5e-4;

  private final MnistData data;
  private final Effort effort;
  private final long seed;
  private final MergedModels.Opener pools;
  private final DemoListener listener;
  private final Map<DigitTask, DigitImages> tests = new EnumMap<>(DigitTask.class);
  private final List<FineTunedModel> models = new ArrayList<>();
  private final SortedMap<String, Parameters> present = new TreeMap<>();
  private final List<PoolChange> changes = new ArrayList<>();

  /**
   * A run to do once.
   *
   * @param seed of all random draws; the same seed gives the same networks on the same machine
   * @param pools starts the pools that merge
   * @param listener is told what happens
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
    for (DigitTask task : DigitTask.values()) {
      tests.put(task, task.of(data.test()));
    }
  }

  /** Does everything; errors of the pools go through, after the pools are closed. */
  public DemoResult run() {
    long start = System.nanoTime();
    try (Trainer trainer = new Trainer();
        ExactFisher fisher = new ExactFisher(effort.fisherBatch());
        Accuracy accuracy = new Accuracy()) {
      Network base = trainBase(trainer);
      Scores baseScores = scores(accuracy, base);
      Map<DigitTask, Double> alone = new EnumMap<>(DigitTask.class);
      Parameters merged;
      try (MergedModels pool = pools.open("digits", base.parameters(), METHOD)) {
        listener.based(baseScores);
        for (DigitTask task : DigitTask.values()) {
          FineTunedModel model = fineTune(task, base, trainer, fisher);
          alone.put(task, accuracy.of(Network.of(model.parameters()), tests.get(task)));
          listener.fineTuned(task, alone.get(task), model.examples());
          models.add(model);
          present.put(model.name(), model.parameters());
          change(task, true, () -> pool.arrive(model), baseScores, accuracy);
        }
        present.remove(WITHDRAWN.model());
        merged =
            change(WITHDRAWN, false, () -> pool.withdraw(WITHDRAWN.model()), baseScores, accuracy);
      }
      listener.verifying(WITHDRAWN);
      boolean exact = withoutTheWithdrawn(base.parameters()).sameBits(merged);
      DemoResult result =
          new DemoResult(
              base.parameters(),
              models,
              seed,
              effort.fisherExamples(),
              baseScores,
              alone,
              changes,
              exact,
              merged,
              Duration.ofNanos(System.nanoTime() - start));
      listener.finished(result);
      return result;
    }
  }

  private Network trainBase(Trainer trainer) {
    return trainer.train(
        Network.random(seed),
        data.train(),
        effort.baseEpochs(),
        BASE_RATE,
        seed + 1,
        (epoch, loss) -> listener.trained("base", epoch, effort.baseEpochs(), loss));
  }

  private FineTunedModel fineTune(
      DigitTask task, Network base, Trainer trainer, ExactFisher fisher) {
    DigitImages images = task.of(data.train());
    Network network =
        trainer.train(
            base,
            images,
            effort.taskEpochs(),
            TASK_RATE,
            seed + 2 + List.of(DigitTask.values()).indexOf(task),
            (epoch, loss) -> listener.trained(task.model(), epoch, effort.taskEpochs(), loss));
    return new FineTunedModel(
        task.model(), network.parameters(), fisher.of(network, images, effort.fisherExamples()));
  }

  /** Waits for the release of a change and measures it; returns its parameters. */
  private Parameters change(
      DigitTask model,
      boolean arrived,
      Supplier<MergedRelease> action,
      Scores base,
      Accuracy accuracy) {
    long start = System.nanoTime();
    MergedRelease release = action.get();
    Duration waited = Duration.ofNanos(System.nanoTime() - start);
    if (!release.shares().keySet().equals(present.keySet())) {
      throw new IllegalStateException(
          "release %d merges %s, the pool holds %s"
              .formatted(release.id(), release.shares().keySet(), present.keySet()));
    }
    PoolChange change =
        new PoolChange(
            model,
            arrived,
            release.id(),
            release.shares(),
            scores(accuracy, Network.of(release.parameters())),
            scores(accuracy, Network.of(Parameters.mean(present.values()))),
            waited);
    changes.add(change);
    listener.released(change, base);
    return release.parameters();
  }

  /** The last release of a second pool that all models but the withdrawn one enter. */
  private Parameters withoutTheWithdrawn(Parameters base) {
    Parameters merged = base;
    try (MergedModels pool = pools.open("digits-without-" + WITHDRAWN.model(), base, METHOD)) {
      for (FineTunedModel model : models) {
        if (!model.name().equals(WITHDRAWN.model())) {
          merged = pool.arrive(model).parameters();
        }
      }
    }
    return merged;
  }

  private Scores scores(Accuracy accuracy, Network network) {
    Map<DigitTask, Double> tasks = new EnumMap<>(DigitTask.class);
    tests.forEach((task, images) -> tasks.put(task, accuracy.of(network, images)));
    return new Scores(tasks, accuracy.of(network, data.test()));
  }
}
