package io.fisherstreams.fisher;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * How much each model contributes to a merge: its share of the weights of all models on all merged
 * entries,
 *
 * <pre>
 * s_m = c_m (ΣF_m + εJ) / Σ_k c_k (ΣF_k + εJ),   c_m = λ_m / (N_m + ε) normalised, else λ_m
 * </pre>
 *
 * <p>with J merged entries and N_m = √ΣF_m². As ε is added to every entry of every Fisher and to
 * the norm, a model whose Fisher is near or below ε is <em>lifted</em> by normalisation: divided by
 * a tiny norm, its ε outweighs every other model's Fisher. Such a {@link Takeover} is recognised by
 * comparing the share with the one for ε = 0.
 */
public final class Shares {
  /** A takeover is a share that ε raises by more than this ... */
  static final double TAKEOVER = 0.05;

  /** ... while ε adds at least this multiple of the model's Fisher to the sum of its weights. */
  static final double NEAR_EPSILON = 0.5;

  private Shares() {}

  /**
   * The values from which a model's share is computed.
   *
   * @param coefficient λ, at least 0
   * @param total ΣF over the merged entries
   * @param norm N = √ΣF² over the merged entries
   */
  public record Weight(double coefficient, double total, double norm) {}

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
              + " minimal_fisher_weight %.3g. Lower minimal_fisher_weight, or give the model a"
              + " Fisher of the others' magnitude"),
          model,
          share,
          shareWithoutEpsilon,
          norm,
          epsilon);
    }
  }

  /**
   * The share of every model; together 1, or all 0 when no model puts a weight on any entry. A
   * model whose norm and ε are both 0 has no share.
   *
   * @param models by name
   * @param epsilon ε, at least 0
   * @param elements J, the number of merged entries
   * @param normalize whether each λ is divided by its model's N + ε
   */
  public static SortedMap<String, Double> of(
      Map<String, Weight> models, double epsilon, long elements, boolean normalize) {
    SortedMap<String, Double> shares = new TreeMap<>();
    double sum = 0;
    for (Map.Entry<String, Weight> model : new TreeMap<>(models).entrySet()) {
      Weight weight = model.getValue();
      double divisor = normalize ? weight.norm + epsilon : 1;
      double share =
          divisor == 0 ? 0 : weight.coefficient / divisor * (weight.total + epsilon * elements);
      shares.put(model.getKey(), share);
      sum += share;
    }
    double all = sum;
    shares.replaceAll((model, share) -> all == 0 ? 0 : share / all);
    return Collections.unmodifiableSortedMap(shares);
  }

  /**
   * The models that take over a normalised merge, in the order of their names. Among fewer than two
   * models with a coefficient there is nothing to take over.
   *
   * @param models by name
   * @param epsilon ε, at least 0
   * @param elements J, the number of merged entries
   */
  public static List<Takeover> takeovers(
      Map<String, Weight> models, double epsilon, long elements) {
    if (models.values().stream().filter(weight -> weight.coefficient > 0).count() < 2) {
      return List.of();
    }
    SortedMap<String, Double> shares = of(models, epsilon, elements, true);
    SortedMap<String, Double> without = of(models, 0, elements, true);
    List<Takeover> takeovers = new ArrayList<>();
    shares.forEach(
        (model, share) -> {
          boolean near = epsilon * elements >= NEAR_EPSILON * models.get(model).total;
          if (near && share - without.get(model) > TAKEOVER) {
            takeovers.add(
                new Takeover(model, models.get(model).norm, epsilon, share, without.get(model)));
          }
        });
    return Collections.unmodifiableList(takeovers);
  }
}
