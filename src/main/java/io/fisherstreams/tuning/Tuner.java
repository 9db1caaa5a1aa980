package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.oneshot.MergeSession;
import io.fisherstreams.search.Measure;
import io.fisherstreams.search.Scores;
import io.fisherstreams.search.SearchStrategy;
import io.fisherstreams.tuning.SplitTasks.Part;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Searches settings: merges, measures, and chooses the next settings from what it measured. */
public final class Tuner {
  private final MergeSession session;
  private final SplitTasks tasks;
  private final Path file;
  private final TuningOptions options;
  private final Listener listener;
  private final List<Trial> trials = new ArrayList<>();
  private Map<String, Scores> startScores = Map.of();
  private Trial best;

  /** Is notified of every trial. */
  @FunctionalInterface
  public interface Listener {
    /**
     * A trial is done.
     *
     * @param trial the trial
     * @param best the best one so far
     */
    void trial(Trial trial, Trial best);
  }

  private Tuner(
      MergeSession session, SplitTasks tasks, Path file, TuningOptions options, Listener listener) {
    this.session = session;
    this.tasks = tasks;
    this.file = file;
    this.options = options;
    this.listener = listener;
  }

  /**
   * Searches.
   *
   * @param start what the search begins with, and what trials are compared with
   * @param tasks at least one
   * @param directory holds one merged model at a time
   * @throws InvalidInput when the start cannot be merged, a task cannot be run, or the method does
   *     not have a setting that is to be searched
   */
  public static TuningResult run(
      MergeSession session,
      Settings start,
      List<? extends TunedTask> tasks,
      Path directory,
      TuningOptions options,
      Listener listener) {
    SearchSpace space = new SearchSpace(start, options.searched());
    try (SplitTasks split =
        new SplitTasks(tasks, options.heldOut(), options.seed(), options.batchSize())) {
      Path file = directory.resolve("trial.safetensors");
      return new Tuner(session, split, file, options, listener).run(start, space);
    }
  }

  /** Rejects, with {@link InvalidInput}, a search that {@link #run} would reject. */
  public static void check(Settings start, TuningOptions options) {
    new SearchSpace(start, options.searched());
  }

  private TuningResult run(Settings start, SearchSpace space) {
    long began = System.nanoTime();
    session.merge(start.formula(), start.coefficients(), file);
    startScores = scores(Part.VALIDATION);
    double startValue = options.measure().of(startScores);
    Measure.Difference none = new Measure.Difference(0, 0);
    add(
        new Trial(
            0,
            start,
            Trial.figures(startScores),
            startValue,
            Optional.of(none),
            seconds(began),
            Optional.empty()));
    SearchStrategy search = options.search(space, startValue);
    boolean hasEnded = false;
    while (!hasEnded && trials.size() <= options.trials() && hasTime(began)) {
      Optional<List<Double>> point = search.next();
      hasEnded = point.isEmpty();
      if (!hasEnded) {
        Trial trial = trial(space.settings(point.get()));
        search.tell(trial.value());
        add(trial);
      }
    }
    return new TuningResult(
        options,
        Collections.unmodifiableList(trials),
        best,
        hasEnded,
        tasks.examples(Part.VALIDATION),
        heldOut());
  }

  private boolean hasTime(long began) {
    return options.time().isEmpty() || System.nanoTime() - began < options.time().get().toNanos();
  }

  private void add(Trial trial) {
    trials.add(trial);
    if (best == null || trial.value() > best.value()) {
      best = trial;
    }
    listener.trial(trial, best);
  }

  /** Settings far from the start may overflow: such a trial is worse than all others. */
  private Trial trial(Settings settings) {
    long began = System.nanoTime();
    int number = trials.size();
    try {
      session.merge(settings.formula(), settings.coefficients(), file);
      Map<String, Scores> scores = scores(Part.VALIDATION);
      return new Trial(
          number,
          settings,
          Trial.figures(scores),
          options.measure().of(scores),
          Optional.of(options.measure().difference(scores, startScores)),
          seconds(began),
          Optional.empty());
    } catch (InvalidInput e) {
      return new Trial(
          number,
          settings,
          Map.of(),
          Double.NEGATIVE_INFINITY,
          Optional.empty(),
          seconds(began),
          Optional.of(e.getMessage()));
    }
  }

  private TuningResult.HeldOut heldOut() {
    Measure measure = options.measure();
    Map<String, Scores> found = heldOut(best);
    Map<String, Scores> before = best.number() == 0 ? found : heldOut(trials.get(0));
    return new TuningResult.HeldOut(
        tasks.examples(Part.HELD_OUT),
        Trial.figures(before),
        Trial.figures(found),
        measure.of(before),
        measure.of(found),
        measure.difference(found, before));
  }

  private Map<String, Scores> heldOut(Trial trial) {
    session.merge(trial.settings().formula(), trial.settings().coefficients(), file);
    return scores(Part.HELD_OUT);
  }

  private Map<String, Scores> scores(Part part) {
    return tasks.scores(file, part, options.measure().isAccuracy());
  }

  private static double seconds(long began) {
    return (System.nanoTime() - began) / 1e9;
  }
}
