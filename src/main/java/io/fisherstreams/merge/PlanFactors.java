package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeFormula.Factors;
import io.fisherstreams.record.PlannedModel;
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
    common = formula.commonCoefficient(models.stream().map(PlannedModel::getCoefficient).toList());
  }

  /**
   * The factors of one model.
   *
   * @param members how many models are merged in the shard
   */
  public Factors of(PlannedModel model, int members) {
    return members < BinnedMerge.MIN_MODELS
        ? formula.planned(model.getCoefficient(), model.getWeight())
        : formula.kept(model.getCoefficient(), model.getFisherNorm(), model.getWeight(), common);
  }
}
