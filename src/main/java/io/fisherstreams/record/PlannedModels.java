package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.EpsilonShares.Part;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.Shares;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/** What a plan's models say of the constant that is added to their Fishers. */
public final class PlannedModels {
  private PlannedModels() {}

  /**
   * Weighs models, each as version 1 and epoch 1.
   *
   * @param models by name
   */
  public static List<PlannedModel> weigh(
      MergeFormula formula, SortedMap<String, MergeFormula.Model> models) {
    SortedMap<String, MergeFormula.Mass> masses = new TreeMap<>();
    models.forEach(
        (name, model) ->
            masses.put(name, formula.mass(formula.factors(model), model.total(), model.entries())));
    Map<String, Double> shares = Shares.of(masses);
    List<PlannedModel> planned = new ArrayList<>();
    models.forEach(
        (name, model) ->
            planned.add(
                new PlannedModel(
                    name,
                    1L,
                    1,
                    model.coefficient(),
                    model.norm(),
                    formula.factors(model).ofFisher(),
                    shares.get(name),
                    EpsilonShares.of(masses.get(name)))));
    return planned;
  }

  /** Each model's share, and the constant's part of it. */
  public static List<Part> epsilonParts(List<PlannedModel> models) {
    return models.stream()
        .map(model -> new Part(model.getModel(), model.getShare(), model.getEpsilonShare()))
        .toList();
  }

  /** Rejects a plan of which the pool no longer has something. */
  public static InvalidInput gone(MergePlan plan, String what) {
    return new InvalidInput(
        String.format(
            Locale.ROOT,
            "the pool no longer has %s, which release %d merged: it was withdrawn, replaced or refined since. Use a newer release",
            what,
            plan.getRelease()));
  }

  /** The constant's part of all weights of a plan, from 0 to 1. */
  public static double epsilonShare(MergePlan plan) {
    return EpsilonShares.ofRelease(epsilonParts(plan.getModels()));
  }
}
