package io.fisherstreams.tuning;

import io.fisherstreams.search.Measure.Difference;
import io.fisherstreams.search.Scores;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;

/**
 * A merge that was tried.
 *
 * @param number from 0, the start
 * @param tasks its figures on the validation examples, by task; none for one that failed
 * @param value the measure; negative infinity for one that failed
 * @param difference of the measure to the start's; empty for one that failed
 * @param seconds that it took
 * @param failure why there is no merged model
 */
public record Trial(
    int number,
    Settings settings,
    Map<String, Figures> tasks,
    double value,
    Optional<Difference> difference,
    double seconds,
    Optional<String> failure) {
  /**
   * The figures of a model on a task.
   *
   * @param accuracy from 0 to 1; empty when the model predicts values
   * @param logLikelihood the mean log-likelihood, in nats
   */
  public record Figures(OptionalDouble accuracy, double logLikelihood) {}

  static Map<String, Figures> figures(Map<String, Scores> scores) {
    Map<String, Figures> figures = new LinkedHashMap<>();
    scores.forEach(
        (task, its) -> figures.put(task, new Figures(its.accuracy(), its.meanLogLikelihood())));
    return figures;
  }
}
