package io.fisherstreams.fisher;

import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * How much of the weights of a merge is not Fisher, but the constant that is added to it: ε, r or
 * δ. Where it is most of them, the Fishers decide little, and the merge is nearly the one without
 * Fishers.
 */
public final class EpsilonShares {
  /** Above this part of a model's weights, the user is warned. */
  static final double MOST = 0.5;

  private static final int NAMES_SHOWN = 5;

  private EpsilonShares() {}

  /**
   * One model's part.
   *
   * @param model its name
   * @param share its share of all weights, from 0 to 1
   * @param epsilonShare the part of its weights that is the constant, from 0 to 1
   */
  public record Part(String model, double share, double epsilonShare) {}

  /** The constant's part of a model's weights, from 0 to 1; 0 for a model without any weight. */
  public static double of(MergeFormula.Mass mass) {
    return mass.sum() == 0 ? 0 : mass.constant() / mass.sum();
  }

  /** The constant's part of all weights of a release, from 0 to 1. */
  public static double ofRelease(Collection<Part> models) {
    double sum = 0;
    for (Part model : models) {
      sum += model.share * model.epsilonShare;
    }
    return sum;
  }

  /**
   * What the user should know: empty unless the constant is more than half of some model's weights.
   * The plain average, to which no Fisher matters, has none.
   */
  public static Optional<String> warning(MergeFormula formula, Collection<Part> models) {
    List<String> most = new ArrayList<>();
    for (Part model : models) {
      if (model.share > 0 && model.epsilonShare > MOST) {
        most.add("%s %s".formatted(model.model, percent(model.epsilonShare)));
      }
    }
    if (most.isEmpty() || (formula instanceof FisherAverage average && average.exponent() == 0)) {
      return Optional.empty();
    }
    int shown = Math.min(NAMES_SHOWN, most.size());
    return Optional.of(
        String.format(
            Locale.ROOT,
            "%s %.3g is more than half of the weights of %d of %d models (%s%s), and %s of the"
                + " release's: their Fishers decide little, and the merge is near %s. %s, or give"
                + " these models larger Fishers",
            formula.constantName(),
            formula.constant(),
            most.size(),
            models.size(),
            String.join(", ", most.subList(0, shown)),
            most.size() > shown ? ", …" : "",
            percent(ofRelease(models)),
            formula instanceof GradientMatching ? "task arithmetic" : "the plain average",
            remedy(formula)));
  }

  private static String remedy(MergeFormula formula) {
    return formula.constantName().equals("minimal_fisher_weight")
        ? "Set relative_fisher_weight instead, such as 0.001, or lower minimal_fisher_weight"
        : "Lower " + formula.constantName();
  }

  /** A share for people. */
  public static String percent(double share) {
    return String.format(Locale.ROOT, "%.2f%%", 100 * share);
  }
}
