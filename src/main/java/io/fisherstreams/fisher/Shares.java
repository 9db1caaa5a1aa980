package io.fisherstreams.fisher;

import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.MergeFormula.Mass;
import io.fisherstreams.fisher.MergeFormula.Model;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * How much each model contributes to a merge: its share of the weights of all models on all merged
 * entries. For a {@link FisherAverage}
 *
 * <pre>
 * s_m = c_m (ΣF_m + εJ) / Σ_k c_k (ΣF_k + εJ),   c_m = λ_m / (N_m + ε) normalised, else λ_m
 * </pre>
 *
 * <p>with the J merged entries in which a model has a say, and N_m = √ΣF_m². As ε is added to every
 * entry of every Fisher and to the norm, a model whose Fisher is near or below ε is <em>lifted</em>
 * by normalisation: divided by a tiny norm, its ε outweighs every other model's Fisher. Such a
 * {@link Takeover} is recognised by comparing the share with the one for ε = 0.
 */
public final class Shares {
  /** A takeover is a share that ε raises by more than this ... */
  static final double TAKEOVER = 0.05;

  /** ... while ε adds at least this multiple of the model's Fisher to the sum of its weights. */
  static final double NEAR_EPSILON = 0.5;

  private Shares() {}

  /**
   * A model that dominates the merge because of ε, not of its Fisher.
   *
   * @param model its name
   * @param norm N of its Fisher
   * @param epsilon ε
   * @param share s_m
   * @param shareWithoutEpsilon s_m with ε = 0
   */
  public record Takeover(
      String model, double norm, double epsilon, double share, double shareWithoutEpsilon) {
    /** Tells the user what happens and what to do. */
    public String message() {
      return String.format(
          Locale.ROOT,
          ("model '%s' takes over the merge: its share is %.4f, and %.4f without"
              + " minimal_fisher_weight, because its Fisher (norm %.3g) is small against"
              + " minimal_fisher_weight %.3g. Set relative_fisher_weight instead, such as 0.001, or"
              + " give the model a Fisher of the others' magnitude"),
          model,
          share,
          shareWithoutEpsilon,
          norm,
          epsilon);
    }
  }

  /**
   * The share of every model; together 1, or all 0 when no model puts a weight on any entry.
   *
   * @param models by name
   */
  public static SortedMap<String, Double> of(
      Map<String, GroupedModel> models, MergeFormula formula) {
    SortedMap<String, Mass> masses = new TreeMap<>();
    models.forEach((name, model) -> masses.put(name, model.mass(formula)));
    return of(masses);
  }

  /** The share of every model, by the sum of its weights. */
  public static SortedMap<String, Double> of(SortedMap<String, Mass> masses) {
    double all = 0;
    for (Mass mass : masses.values()) {
      all += mass.sum();
    }
    SortedMap<String, Double> shares = new TreeMap<>();
    for (Map.Entry<String, Mass> mass : masses.entrySet()) {
      shares.put(mass.getKey(), all == 0 ? 0 : mass.getValue().sum() / all);
    }
    return Collections.unmodifiableSortedMap(shares);
  }

  /**
   * The models that take over a normalised merge, in the order of their names; none for any other
   * formula. Among fewer than two models with a coefficient there is nothing to take over.
   *
   * @param models by name
   */
  public static List<Takeover> takeovers(Map<String, GroupedModel> models, MergeFormula formula) {
    if (!(formula instanceof FisherAverage average)
        || average.unit() != Unit.NORM
        || average.exponent() == 0
        || models.values().stream().filter(GroupedModel::hasCoefficient).count() < 2) {
      return List.of();
    }
    double epsilon = average.constant();
    SortedMap<String, Double> shares = of(models, average);
    SortedMap<String, Double> without = of(models, average.withConstant(0));
    List<Takeover> takeovers = new ArrayList<>();
    shares.forEach(
        (model, share) -> {
          Model whole = models.get(model).whole();
          boolean near = epsilon * whole.entries() >= NEAR_EPSILON * whole.total();
          if (near && share - without.get(model) > TAKEOVER) {
            takeovers.add(new Takeover(model, whole.norm(), epsilon, share, without.get(model)));
          }
        });
    return Collections.unmodifiableList(takeovers);
  }
}
