package io.fisherstreams.cli.output;

import io.fisherstreams.tuning.Trial;
import io.fisherstreams.tuning.Tuner;
import io.fisherstreams.tuning.TuningOptions;
import java.io.PrintWriter;
import java.time.Duration;
import java.util.Locale;

/** Says every few seconds how far a search is, how fast, and what the best trial has. */
public final class TrialProgress implements Tuner.Listener {
  private static final Duration INTERVAL = Duration.ofSeconds(5);

  private final TuningOptions options;
  private final PrintWriter err;
  private final long began = System.nanoTime();
  private long said = began;

  public TrialProgress(TuningOptions options, PrintWriter err) {
    this.options = options;
    this.err = err;
  }

  @Override
  public void trial(Trial trial, Trial best) {
    long now = System.nanoTime();
    boolean isLast = trial.number() == options.trials();
    if (trial.number() == 0 || (now - said < INTERVAL.toNanos() && !isLast)) {
      return;
    }
    said = now;
    double seconds = (now - began) / 1e9;
    double rate = trial.number() / seconds;
    double left = (options.trials() - trial.number()) / rate;
    if (options.time().isPresent()) {
      left = Math.min(left, Math.max(0, options.time().get().toMillis() / 1e3 - seconds));
    }
    boolean isAccuracy = options.measure().isAccuracy();
    err.printf(
        Locale.ROOT,
        "tune: %d%s trials, %.1f trials/s, at most %.0f s left; best %s (trial %d)%n",
        trial.number(),
        options.trials() == Integer.MAX_VALUE ? "" : " of " + options.trials(),
        rate,
        left,
        isAccuracy
            ? String.format(Locale.ROOT, "%.2f %%", 100 * best.value())
            : String.format(Locale.ROOT, "%.4f", best.value()),
        best.number());
    err.flush();
  }
}
