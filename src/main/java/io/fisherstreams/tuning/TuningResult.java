package io.fisherstreams.tuning;

import io.fisherstreams.search.Measure.Difference;
import io.fisherstreams.tuning.Trial.Figures;
import java.util.List;
import java.util.Map;

/**
 * What a search found.
 *
 * @param trials in their order; the first one is the start
 * @param best the one with the largest measure, the first of equal ones
 * @param hasEnded whether the strategy expected nothing better, so that budget was left
 * @param validation how many examples the trials were compared on
 * @param heldOut the held-out examples
 */
public record TuningResult(
    TuningOptions options,
    List<Trial> trials,
    Trial best,
    boolean hasEnded,
    long validation,
    HeldOut heldOut) {
  /**
   * The start and the best trial on examples that the search did not see.
   *
   * @param examples how many
   * @param difference of the measure between best and start
   */
  public record HeldOut(
      long examples,
      Map<String, Figures> start,
      Map<String, Figures> best,
      double startValue,
      double bestValue,
      Difference difference) {}

  /** The trial that the others are compared with. */
  public Trial start() {
    return trials.get(0);
  }

  /** Whether the best trial is better than the start by more than noise. */
  public boolean beatsStart() {
    return best.number() > 0 && best.difference().orElseThrow().isBeyondNoise();
  }
}
