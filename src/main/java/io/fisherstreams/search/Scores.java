package io.fisherstreams.search;

import java.util.List;
import java.util.OptionalDouble;

/**
 * What a model gets for the examples of one task. An item is one example; of a language model, the
 * tokens of one batch.
 *
 * @param correct by item, how many predictions were right; empty when the model predicts values
 * @param logLikelihoods by item, the sum of log p(label), in nats
 * @param predictions by item, how many there were; at least 1
 */
public record Scores(List<Double> correct, List<Double> logLikelihoods, List<Double> predictions) {
  /** Copies the lists, which have the same length. */
  public Scores {
    correct = List.copyOf(correct);
    logLikelihoods = List.copyOf(logLikelihoods);
    predictions = List.copyOf(predictions);
    boolean isCounted = correct.isEmpty() || correct.size() == predictions.size();
    if (!isCounted || logLikelihoods.size() != predictions.size()) {
      throw new IllegalArgumentException("lists of different lengths");
    }
  }

  /** The share of right predictions, from 0 to 1; empty when the model predicts values. */
  public OptionalDouble accuracy() {
    return correct.isEmpty()
        ? OptionalDouble.empty()
        : OptionalDouble.of(sum(correct) / sum(predictions));
  }

  /** The mean of log p(label) over predictions, in nats. */
  public double meanLogLikelihood() {
    return sum(logLikelihoods) / sum(predictions);
  }

  private static double sum(List<Double> values) {
    return values.stream().mapToDouble(Double::doubleValue).sum();
  }
}
