package io.fisherstreams.merge;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSet;
import io.fisherstreams.fisher.NamePatterns;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.record.CoefficientRules;
import io.fisherstreams.record.ManifestRules;
import io.fisherstreams.record.ManifestTensors;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A plan with what one partition has of its models.
 *
 * @param base the base model
 * @param formula how they are merged
 * @param mergeSet which parameters are merged; the others are copied from the base
 * @param groups the index of each merged parameter's group, if it belongs to one
 * @param outputDtype the type of mergeable parameters in the release, null for the base's own
 * @param participants the models that are merged
 * @param factors of the models
 */
record ResolvedPlan(
    MergePlan plan,
    KnownModel base,
    MergeFormula formula,
    MergeSet mergeSet,
    Map<String, Integer> groups,
    DType outputDtype,
    List<Participant> participants,
    PlanFactors factors) {

  /** Rejects a plan that no coordinator makes with {@link RejectedRecord}. */
  static void check(MergePlan plan) {
    try {
      if (plan.getRelease() < (plan.getRetiresOnly() ? 0 : 1)) {
        throw new InvalidInput("the plan's release is " + plan.getRelease());
      }
      MergeMethod method = plan.getMethod();
      NamePatterns.of(method.getExcludeParamNamesRegex());
      MergeMethods.groups(method);
      MergeFormula formula = MergeMethods.formula(method);
      ManifestRules.requireOutputDtype("outputDtype", method.getOutputDtype());
      for (PlannedModel model : plan.getModels()) {
        // λ / (N + ε): of a tiny Fisher it is far larger than any coefficient
        if (!(model.getWeight() >= 0 && model.getWeight() < Double.POSITIVE_INFINITY)
            && !(formula.acceptsNegativeCoefficients() && Double.isFinite(model.getWeight()))) {
          throw new InvalidInput(
              "weight of %s is %s, expected a finite number of at least 0"
                  .formatted(model.getModel(), model.getWeight()));
        }
        requireFactors(formula, method, model);
        ManifestRules.requireAtLeast(
            "epoch of " + model.getModel(), model.getEpoch(), formula.readsFishers() ? 1 : 0);
      }
    } catch (InvalidInput e) {
      throw new RejectedRecord(RejectionKind.REPORT, e.getMessage());
    }
  }

  private static void requireFactors(MergeFormula formula, MergeMethod method, PlannedModel model) {
    int inGroups = model.getGroupCoefficients().size();
    if (inGroups != 0 && inGroups != method.getGroups().size()) {
      throw new InvalidInput(
          "%s has coefficients for %s groups, expected none or %s"
              .formatted(model.getModel(), inGroups, method.getGroups().size()));
    }
    for (double coefficient : PlannedModels.coefficients(model)) {
      CoefficientRules.requireCoefficient(
          "coefficient of " + model.getModel(), coefficient, formula);
      MergeFormula.Factors factors =
          formula.factors(PlannedModels.whole(model).withCoefficient(coefficient));
      if (!Double.isFinite(factors.weight())
          || !(factors.unit() > 0 && factors.unit() < Double.POSITIVE_INFINITY)) {
        throw new InvalidInput(
            "the Fisher of %s has the sum %s and the norm %s over %s entries, which give no finite weight"
                .formatted(
                    model.getModel(),
                    model.getFisherTotal(),
                    model.getFisherNorm(),
                    model.getEntries()));
      }
    }
  }

  /**
   * One of the plan's models.
   *
   * @param held what this partition has of it; empty for a model that leaves all of this
   *     partition's shards as the base has them
   */
  record Participant(PlannedModel planned, Optional<KnownModel> held) {
    /** The model, if it has this shard; empty if it leaves the shard as the base has it. */
    Optional<KnownModel> owner(Shard shard) {
      return held.filter(model -> model.owns(shard));
    }

    ModelVersion version() {
      return new ModelVersion(planned.getModel(), planned.getVersion());
    }
  }

  /** Finds the plan's models in the ledger; empty when this partition has nothing of the base. */
  static Optional<ResolvedPlan> of(MergePlan plan, Ledger ledger) {
    return ledger
        .held(new ModelVersion(plan.getBaseModel(), plan.getBaseVersion()))
        .map(base -> of(plan, base, ledger));
  }

  private static ResolvedPlan of(MergePlan plan, KnownModel base, Ledger ledger) {
    MergeSet mergeSet =
        MergeSet.of(
            ManifestTensors.all(base.manifest()), plan.getMethod().getExcludeParamNamesRegex());
    DType outputDtype =
        plan.getMethod().getOutputDtype() == null
            ? null
            : DType.of(plan.getMethod().getOutputDtype()).orElseThrow();
    List<Participant> participants = new ArrayList<>();
    for (PlannedModel planned : plan.getModels()) {
      participants.add(
          new Participant(
              planned, ledger.held(new ModelVersion(planned.getModel(), planned.getVersion()))));
    }
    MergeFormula formula = MergeMethods.formula(plan.getMethod());
    return new ResolvedPlan(
        plan,
        base,
        formula,
        mergeSet,
        MergeMethods.groups(plan.getMethod()).indexes(mergeSet.names()),
        outputDtype,
        participants,
        new PlanFactors(formula, plan.getModels()));
  }

  /** Whether a shard is merged, or copied from the base. */
  boolean merges(Shard shard) {
    return mergeSet.merges(shard.tensor().name());
  }

  /** The group that a shard belongs to, as {@link PlannedModels#coefficient} takes it. */
  int group(Shard shard) {
    return groups.getOrDefault(shard.tensor().name(), ParameterGroups.NO_GROUP);
  }

  /** Whether a model has a say in the shards that it leaves as the base has them. */
  boolean countsUnchanged() {
    return MergeMethods.weighsUnchanged(plan.getMethod());
  }

  /**
   * The models that have a say in a shard, in the order of their names: those that have it, and
   * under {@link #countsUnchanged} also the others. There are none when every λ is 0 there.
   */
  List<Participant> members(Shard shard) {
    int group = group(shard);
    List<Participant> members =
        countsUnchanged()
            ? participants
            : participants.stream().filter(model -> model.owner(shard).isPresent()).toList();
    return members.stream()
            .allMatch(model -> PlannedModels.coefficient(model.planned(), group) == 0)
        ? List.of()
        : members;
  }

  /** Whether a shard of the release is made from the base's. */
  boolean readsBase(Shard shard) {
    if (!merges(shard) || formula.readsBase()) {
      return true;
    }
    List<Participant> members = members(shard);
    return members.isEmpty() || members.stream().anyMatch(model -> model.owner(shard).isEmpty());
  }

  /** The type of a shard of the base in the release. */
  DType outputDtype(Shard shard) {
    DType own = shard.tensor().dtype();
    return outputDtype != null && own.mergeable() ? outputDtype : own;
  }
}
