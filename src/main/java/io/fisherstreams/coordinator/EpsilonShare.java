package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import java.util.NavigableMap;
import java.util.OptionalDouble;

/**
 * The part of all weights of a merge that ε adds: {@code Σ c_m εJ / Σ c_m (ΣF_m + εJ)}, with J
 * merged entries and the plan's weights c; for other methods, what their constant adds. Near 1, the
 * merge is hardly better than a plain average.
 */
public final class EpsilonShare {
  private EpsilonShare() {}

  /**
   * Of a plan, from 0 to 1; empty when the pool no longer has what it merged, no model has a
   * weight, or the method reads no Fishers.
   */
  public static OptionalDouble of(PoolView view, MergePlan plan) {
    PoolModel base = find(view, plan.getBaseModel(), plan.getBaseVersion());
    if (base == null) {
      return OptionalDouble.empty();
    }
    MergeSet merged = base.mergeSet();
    MergeFormula formula = MergeMethods.formula(plan.getMethod());
    if (!formula.readsFishers()) {
      return OptionalDouble.empty();
    }
    double fromEpsilon = 0;
    double all = 0;
    for (PlannedModel planned : plan.getModels()) {
      PoolModel model = find(view, planned.getModel(), planned.getVersion());
      if (model == null || !model.has(planned.getEpoch())) {
        return OptionalDouble.empty();
      }
      MergeFormula.Mass mass =
          formula.mass(
              formula.planned(planned.getCoefficient(), planned.getWeight()),
              model.sums(planned.getEpoch(), merged).total(),
              model.entries(base.mergedTensors(), plan.getMethod()));
      fromEpsilon += mass.constant();
      all += mass.sum();
    }
    return all == 0 ? OptionalDouble.empty() : OptionalDouble.of(fromEpsilon / all);
  }

  private static PoolModel find(PoolView view, String model, long version) {
    NavigableMap<Long, PoolModel> versions = view.models().get(model);
    return versions == null ? null : versions.get(version);
  }
}
