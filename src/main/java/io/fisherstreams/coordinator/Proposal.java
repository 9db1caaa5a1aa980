package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.EpsilonShares;
import io.fisherstreams.fisher.GroupedModel;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A plan that could be made now.
 *
 * @param base the base model
 * @param models the ready models in the order of their names, with norms, weights and shares
 * @param versions the version of each that is used
 * @param takeovers models that dominate because of epsilon, not of their Fisher
 * @param leftOut complete versions that are not merged, with the reasons
 */
public record Proposal(
    PoolModel base,
    List<PlannedModel> models,
    SortedMap<String, Long> versions,
    List<Shares.Takeover> takeovers,
    List<LeftOutModel> leftOut) {
  /** So many warnings are recorded at most. */
  static final int MAX_WARNINGS = 20;

  /**
   * A model version that is ready to be merged.
   *
   * @param coefficients those of the newest manifest
   */
  record Candidate(PoolModel model, Coefficients coefficients) {
    private String name() {
      return model.manifest().getModel();
    }

    /** The newest sealed epoch of its Fisher, 0 when it has none. */
    private int epoch() {
      return model.epoch().orElse(0);
    }

    private GroupedModel sums(PoolModel base, int candidates) {
      MergeFormula formula = base.formula();
      double byDefault = formula.defaultCoefficient(candidates);
      double lambda = coefficients.own().orElse(byDefault);
      List<Double> inGroups = coefficients.inGroups(base.groups(), byDefault);
      MergeMethod method = base.manifest().getMethod();
      long entries = model.entries(base.mergedTensors(), method);
      PoolModel.Sums sums = sums(base, base.mergeSet());
      MergeFormula.Model whole = new MergeFormula.Model(lambda, sums.total(), sums.norm(), entries);
      if (inGroups.isEmpty()) {
        return GroupedModel.of(whole);
      }
      List<GroupedModel.Part> parts = new ArrayList<>();
      for (PoolModel.MergedPart part : base.mergedParts()) {
        parts.add(
            new GroupedModel.Part(
                sums(base, part.set()).total(), model.entries(part.tensors(), method)));
      }
      return new GroupedModel(whole, inGroups, parts);
    }

    private PoolModel.Sums sums(PoolModel base, MergeSet merged) {
      return base.formula().readsFishers() ? model.sums(epoch(), merged) : new PoolModel.Sums(0, 0);
    }
  }

  /**
   * Weighs the ready models, each by its newest sealed epoch; empty when no model has any weight.
   *
   * @param candidates one version of each model, in the order of their names
   */
  static Optional<Proposal> of(PoolModel base, List<Candidate> candidates) {
    MergeFormula formula = base.formula();
    SortedMap<String, GroupedModel> models = new TreeMap<>();
    SortedMap<String, Candidate> byName = new TreeMap<>();
    for (Candidate candidate : candidates) {
      models.put(candidate.name(), candidate.sums(base, candidates.size()));
      byName.put(candidate.name(), candidate);
    }
    List<PlannedModel> planned = PlannedModels.weigh(formula, models);
    SortedMap<String, Long> versions = new TreeMap<>();
    for (PlannedModel model : planned) {
      Candidate candidate = byName.get(model.getModel());
      long version = candidate.model.manifest().getVersion();
      versions.put(model.getModel(), version);
      model.setVersion(version);
      model.setEpoch(candidate.epoch());
    }
    if (models.values().stream().noneMatch(model -> model.isWeighted(formula))) {
      return Optional.empty();
    }
    return Optional.of(
        new Proposal(base, planned, versions, Shares.takeovers(models, formula), List.of()));
  }

  /** The same with what was left out before it was made. */
  Proposal without(Collection<LeftOutModel> models) {
    return new Proposal(base, this.models, versions, takeovers, List.copyOf(models));
  }

  /** What the user should know of the constant that is added to the Fishers. */
  public Optional<String> epsilonWarning() {
    return EpsilonShares.warning(base.formula(), PlannedModels.epsilonParts(models));
  }

  /** What looks wrong, for people. */
  List<String> warnings() {
    return ShareLimits.warnings(this).stream().limit(MAX_WARNINGS).toList();
  }

  /** Whether a plan merges exactly this. */
  boolean isPlannedBy(MergePlan plan) {
    return plan.getBaseModel().equals(base.manifest().getModel())
        && plan.getBaseVersion() == base.manifest().getVersion()
        && plan.getMethod().equals(base.manifest().getMethod())
        && merged(plan.getModels()).equals(merged(models));
  }

  /** The models without what the method does not read: another Fisher changes nothing then. */
  private List<PlannedModel> merged(List<PlannedModel> planned) {
    return base.formula().readsFishers()
        ? planned
        : planned.stream()
            .map(model -> PlannedModel.newBuilder(model).setEpoch(0).build())
            .toList();
  }
}
