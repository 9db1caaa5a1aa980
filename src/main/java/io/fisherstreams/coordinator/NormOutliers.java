package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * Finds models whose Fisher is of quite another size than the others': often a sum over examples
 * among means, a diverged model, or a forgery. A normalised merge hides the size, so nothing else
 * would show it.
 */
final class NormOutliers {
  /** From this ratio to the median of the others on, or below its inverse, a norm is reported. */
  static final double FACTOR = 1000;

  /** With fewer, nobody can say which one is the outlier. */
  private static final int MIN_OTHERS = 2;

  private NormOutliers() {}

  /**
   * An outlier.
   *
   * @param model its name
   * @param message for people
   */
  record Outlier(String model, String message) {}

  /**
   * The outliers among the models of a plan, in its order; none when the method reads no Fisher.
   */
  static List<Outlier> find(MergeFormula formula, List<PlannedModel> planned) {
    List<PlannedModel> models =
        planned.stream()
            .filter(model -> model.getFisherNorm() > 0)
            .filter(model -> PlannedModels.isWeighted(formula, model))
            .toList();
    List<Outlier> outliers = new ArrayList<>();
    double[] sorted = models.stream().mapToDouble(PlannedModel::getFisherNorm).sorted().toArray();
    if (sorted.length <= MIN_OTHERS) {
      return outliers;
    }
    for (PlannedModel model : models) {
      double norm = model.getFisherNorm();
      double median = medianWithout(sorted, norm);
      if (norm >= FACTOR * median || norm * FACTOR <= median) {
        outliers.add(
            new Outlier(
                model.getModel(),
                String.format(
                    Locale.ROOT,
                    "model '%s' has a Fisher norm of %.3g, the others have a median of %.3g. Check that its Fisher is a mean over examples as theirs",
                    model.getModel(),
                    norm,
                    median)));
      }
    }
    return outliers;
  }

  /**
   * The median of sorted values without one that is among them; between two in the middle, their
   * geometric mean, since sizes are compared by ratios.
   */
  private static double medianWithout(double[] sorted, double value) {
    int left = Arrays.binarySearch(sorted, value);
    int count = sorted.length - 1;
    double lower = sorted[skip((count - 1) / 2, left)];
    double upper = sorted[skip(count / 2, left)];
    return upper * Math.sqrt(lower / upper);
  }

  private static int skip(int index, int left) {
    return index < left ? index : index + 1;
  }
}
