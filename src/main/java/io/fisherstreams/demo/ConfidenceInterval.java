package io.fisherstreams.demo;

import java.util.Collection;

/**
 * How far an accuracy on some test images may be from the accuracy on all such images, with 95 %
 * confidence.
 *
 * @param low from 0 to 1
 * @param high from 0 to 1
 */
record ConfidenceInterval(double low, double high) {
  /** The normal distribution's 97.5 % quantile. */
  private static final double Z = 1.959964;

  /**
   * Wilson's score interval of one accuracy.
   *
   * @param accuracy from 0 to 1
   * @param images it was measured on
   */
  static ConfidenceInterval of(double accuracy, int images) {
    double z2 = Z * Z / images;
    double centre = (accuracy + z2 / 2) / (1 + z2);
    double half =
        Z / (1 + z2) * Math.sqrt(accuracy * (1 - accuracy) / images + z2 / (4.0 * images));
    return new ConfidenceInterval(centre - half, centre + half);
  }

  /**
   * An interval of the mean of several accuracies that were measured on the same images. How the
   * accuracies depend on each other is not known, so this is the widest case: a standard error that
   * is the mean of theirs.
   */
  static ConfidenceInterval ofMean(Collection<Double> accuracies, int images) {
    double mean = accuracies.stream().mapToDouble(Double::doubleValue).average().orElseThrow();
    double error =
        accuracies.stream()
            .mapToDouble(accuracy -> Math.sqrt(accuracy * (1 - accuracy) / images))
            .average()
            .orElseThrow();
    return new ConfidenceInterval(Math.max(0, mean - Z * error), Math.min(1, mean + Z * error));
  }
}
