package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeFormula.Factors;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import java.util.List;

/** The factors of a plan's models, for the arithmetic that {@link ShardMerge} uses. */
public final class PlanFactors {
  private final MergeFormula formula;
  private final double common;

  /**
   * The factors of these models.
   *
   * @param models all models of the plan
   */
  public PlanFactors(MergeFormula formula, List<PlannedModel> models) {
    this.formula = formula;
    common =
        formula.commonCoefficient(
            models.size(),
            models.stream().flatMap(model -> PlannedModels.coefficients(model).stream()).toList());
  }

  /**
   * The factors of one model.
   *
   * @param group of the shard, as {@link PlannedModels#coefficient} takes it
   * @param members how many models are merged in the shard
   */
  public Factors of(PlannedModel model, int group, int members) {
    return members < BinnedMerge.MIN_MODELS
        ? PlannedModels.factors(formula, model, group)
        : kept(model, group);
  }

  /** The factors of a model whose terms are {@linkplain BinnedMerge kept}. */
  Factors kept(PlannedModel model, int group) {
    double coefficient = PlannedModels.coefficient(model, group);
    return formula.factors(
        PlannedModels.whole(model)
            .withCoefficient(coefficient == common ? 1 : coefficient / common));
  }
}
