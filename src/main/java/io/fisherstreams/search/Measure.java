package io.fisherstreams.search;

import java.util.Comparator;
import java.util.List;
import java.util.Map;
import java.util.function.IntToDoubleFunction;

/** What a search makes as large as it can: a figure of the tasks, their mean or the worst. */
public enum Measure {
  MEAN_ACCURACY(false, true),
  WORST_ACCURACY(true, true),
  MEAN_LOG_LIKELIHOOD(false, false),
  WORST_LOG_LIKELIHOOD(true, false);

  private final boolean isWorst;
  private final boolean isAccuracy;

  Measure(boolean isWorst, boolean isAccuracy) {
    this.isWorst = isWorst;
    this.isAccuracy = isAccuracy;
  }

  /**
   * How much better one model is than another on the same examples.
   *
   * @param value the difference of the measure
   * @param error its standard error, from the differences of the examples
   */
  public record Difference(double value, double error) {
    /** How many standard errors a difference must have to be more than noise. */
    public static final double NOISE = 2;

    /** Whether it is above 0 by more than {@link #NOISE} standard errors. */
    public boolean isBeyondNoise() {
      return value > NOISE * error;
    }
  }

  /** Whether it counts right predictions, so that every task needs classes or tokens. */
  public boolean isAccuracy() {
    return isAccuracy;
  }

  private double figure(Scores scores) {
    return isAccuracy ? scores.accuracy().orElseThrow() : scores.meanLogLikelihood();
  }

  private List<Double> items(Scores scores) {
    return isAccuracy ? scores.correct() : scores.logLikelihoods();
  }

  /** The measure of a model, from its scores by task, at least one. */
  public double of(Map<String, Scores> byTask) {
    return isWorst
        ? figure(byTask.get(worst(byTask)))
        : byTask.values().stream().mapToDouble(this::figure).average().orElseThrow();
  }

  private String worst(Map<String, Scores> byTask) {
    return byTask.entrySet().stream()
        .min(Comparator.comparing(task -> figure(task.getValue())))
        .orElseThrow()
        .getKey();
  }

  /**
   * The difference between two models that were measured on the same examples of the same tasks.
   * The worst task of each may be another one; then the two errors are those of two figures that
   * have no examples in common.
   */
  public Difference difference(Map<String, Scores> model, Map<String, Scores> reference) {
    double value = of(model) - of(reference);
    if (!isWorst) {
      double variance = 0;
      for (String task : model.keySet()) {
        variance += pairedVariance(model.get(task), reference.get(task));
      }
      return new Difference(value, Math.sqrt(variance) / model.size());
    }
    String own = worst(model);
    String other = worst(reference);
    double variance =
        own.equals(other)
            ? pairedVariance(model.get(own), reference.get(own))
            : variance(model.get(own)) + variance(reference.get(other));
    return new Difference(value, Math.sqrt(variance));
  }

  /**
   * The variance of the figure's difference between two models with the same items: that of the
   * mean of the items' residuals. The figure is a ratio of sums.
   */
  private double pairedVariance(Scores model, Scores reference) {
    double difference = figure(model) - figure(reference);
    return variance(model, item -> items(model).get(item) - items(reference).get(item), difference);
  }

  private double variance(Scores model) {
    return variance(model, items(model)::get, figure(model));
  }

  private static double variance(Scores model, IntToDoubleFunction item, double ratio) {
    int n = model.predictions().size();
    double total = 0;
    double squares = 0;
    for (int i = 0; i < n; i++) {
      double predictions = model.predictions().get(i);
      double residual = item.applyAsDouble(i) - ratio * predictions;
      squares += residual * residual;
      total += predictions;
    }
    return n < 2 ? Double.POSITIVE_INFINITY : squares * n / (n - 1) / (total * total);
  }
}
