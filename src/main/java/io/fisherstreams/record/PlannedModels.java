package io.fisherstreams.record;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.EpsilonShares.Part;
import io.fisherstreams.fisher.GroupedModel;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.Shares;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.OptionalDouble;
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
      MergeFormula formula, SortedMap<String, GroupedModel> models) {
    SortedMap<String, MergeFormula.Mass> masses = new TreeMap<>();
    models.forEach((name, model) -> masses.put(name, model.mass(formula)));
    Map<String, Double> shares = Shares.of(masses);
    List<PlannedModel> planned = new ArrayList<>();
    models.forEach(
        (name, model) -> {
          MergeFormula.Model whole = model.whole();
          planned.add(
              new PlannedModel(
                  name,
                  1L,
                  1,
                  whole.coefficient(),
                  model.inGroups(),
                  whole.norm(),
                  whole.total(),
                  whole.entries(),
                  formula.factors(whole).ofFisher(),
                  shares.get(name),
                  EpsilonShares.of(masses.get(name))));
        });
    return planned;
  }

  /** The sums of a plan's model over all merged entries, with λ outside the groups. */
  public static MergeFormula.Model whole(PlannedModel planned) {
    return new MergeFormula.Model(
        planned.getCoefficient(),
        planned.getFisherTotal(),
        planned.getFisherNorm(),
        planned.getEntries());
  }

  /**
   * λ of a plan's model in a group.
   *
   * @param group an index of {@link ParameterGroups}, or {@link ParameterGroups#NO_GROUP}
   */
  public static double coefficient(PlannedModel planned, int group) {
    List<Double> ofGroups = planned.getGroupCoefficients();
    return group == ParameterGroups.NO_GROUP || ofGroups.isEmpty()
        ? planned.getCoefficient()
        : ofGroups.get(group);
  }

  /** Whether a plan's model is merged with what its user gave. */
  public static boolean hasCoefficients(MergePlan plan, PlannedModel planned, Coefficients given) {
    MergeFormula formula = MergeMethods.formula(plan.getMethod());
    double byDefault = formula.defaultCoefficient(plan.getModels().size());
    return planned.getCoefficient() == given.own().orElse(byDefault)
        && planned
            .getGroupCoefficients()
            .equals(given.inGroups(MergeMethods.groups(plan.getMethod()), byDefault));
  }

  /** What a user would give for a plan's model to be merged as it is. */
  public static Coefficients given(MergePlan plan, PlannedModel planned) {
    List<String> names = MergeMethods.groups(plan.getMethod()).names();
    SortedMap<String, Double> ofGroups = new TreeMap<>();
    for (int i = 0; i < planned.getGroupCoefficients().size(); i++) {
      ofGroups.put(names.get(i), planned.getGroupCoefficients().get(i));
    }
    return new Coefficients(OptionalDouble.of(planned.getCoefficient()), ofGroups);
  }

  /** Every λ of a plan's model. */
  public static List<Double> coefficients(PlannedModel planned) {
    List<Double> all = new ArrayList<>(planned.getGroupCoefficients());
    all.add(planned.getCoefficient());
    return all;
  }

  /** The factors of a plan's model in a group. */
  public static MergeFormula.Factors factors(
      MergeFormula formula, PlannedModel planned, int group) {
    return formula.factors(whole(planned).withCoefficient(coefficient(planned, group)));
  }

  /** Whether a plan's model has a weight in some parameter. */
  public static boolean isWeighted(MergeFormula formula, PlannedModel planned) {
    return coefficients(planned).stream()
        .anyMatch(
            coefficient ->
                formula.factors(whole(planned).withCoefficient(coefficient)).weight() != 0);
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
