package io.fisherstreams.coordinator;

import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.Shares;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
   * @param coefficient null for the default, 1 over the number of merged models
   */
  record Candidate(PoolModel model, Double coefficient) {
    private String name() {
      return model.manifest().getModel();
    }

    private int epoch() {
      return model.epoch().orElseThrow();
    }
  }

  /**
   * Weighs the ready models, each by its newest sealed epoch; empty when no model has any weight.
   *
   * @param candidates one version of each model, in the order of their names
   */
  static Optional<Proposal> of(PoolModel base, List<Candidate> candidates) {
    MergeMethod method = base.manifest().getMethod();
    MergeSet mergeSet = base.mergeSet();
    double epsilon = method.getMinimalFisherWeight();
    boolean normalize = method.getNormalizeFisherWeight();
    long entries = 0;
    for (String name : mergeSet.names()) {
      entries += base.tensors().get(name).elements();
    }
    Map<String, Shares.Weight> weights = new LinkedHashMap<>();
    for (Candidate candidate : candidates) {
      PoolModel.Sums sums = candidate.model.sums(candidate.epoch(), mergeSet);
      double coefficient =
          candidate.coefficient != null ? candidate.coefficient : 1.0 / candidates.size();
      weights.put(candidate.name(), new Shares.Weight(coefficient, sums.total(), sums.norm()));
    }
    Map<String, Double> shares = Shares.of(weights, epsilon, entries, normalize);
    List<PlannedModel> planned = new ArrayList<>();
    SortedMap<String, Long> versions = new TreeMap<>();
    for (Candidate candidate : candidates) {
      Shares.Weight weight = weights.get(candidate.name());
      long version = candidate.model.manifest().getVersion();
      versions.put(candidate.name(), version);
      planned.add(
          new PlannedModel(
              candidate.name(),
              version,
              candidate.epoch(),
              weight.coefficient(),
              weight.norm(),
              normalize ? weight.coefficient() / (weight.norm() + epsilon) : weight.coefficient(),
              shares.get(candidate.name())));
    }
    if (planned.stream().noneMatch(model -> model.getWeight() > 0)) {
      return Optional.empty();
    }
    List<Shares.Takeover> takeovers =
        normalize ? Shares.takeovers(weights, epsilon, entries) : List.of();
    return Optional.of(new Proposal(base, planned, versions, takeovers, List.of()));
  }

  /** The same with what was left out before it was made. */
  Proposal without(Collection<LeftOutModel> models) {
    return new Proposal(base, this.models, versions, takeovers, List.copyOf(models));
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
        && plan.getModels().equals(models);
  }
}
