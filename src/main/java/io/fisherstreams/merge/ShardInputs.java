package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeFormula.Factors;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** What {@link ShardMerge} reads of the models of a plan, in the payload files of one partition. */
final class ShardInputs {
  private final PartitionContext partition;
  private final ResolvedPlan plan;
  private final MergeFormula formula;

  ShardInputs(PartitionContext partition, ResolvedPlan plan) {
    this.partition = partition;
    this.plan = plan;
    formula = plan.formula();
  }

  /** A shard of a model's checkpoint. */
  PayloadElements checkpoint(KnownModel model, Slot slot) {
    return new PayloadElements(
        partition.payloads().file(model.version(), PayloadName.CHECKPOINT),
        slot.firstByte(),
        slot.shard().tensor().dtype());
  }

  /** A shard of the base's checkpoint; empty when the formula does not read it. */
  Optional<PayloadElements> base(Slot slot) {
    return formula.readsBase() ? Optional.of(checkpoint(plan.base(), slot)) : Optional.empty();
  }

  /**
   * The models of a shard.
   *
   * @param base the base's shard
   */
  List<ShardInput> of(List<Participant> members, Slot base) {
    return members.stream().map(member -> of(member, base, members.size())).toList();
  }

  /**
   * One model's part of a shard.
   *
   * @param base the base's shard
   * @param members how many models have a say in it
   */
  ShardInput of(Participant participant, Slot base, int members) {
    PlannedModel planned = participant.planned();
    Factors own = plan.factors().of(planned, plan.group(base.shard()), members);
    return participant
        .owner(base.shard())
        .map(model -> input(model, base.shard(), planned.getEpoch(), own))
        .orElseGet(() -> unchanged(base, own));
  }

  /** The part of a model that leaves a shard as the base has it. */
  private ShardInput unchanged(Slot base, Factors own) {
    return ShardInput.unchanged(checkpoint(plan.base(), base), formula, own);
  }

  /** The sum of the models' weights in a shard. */
  double weights(List<Participant> members, Shard shard) {
    double sum = 0;
    for (Participant member : members) {
      sum += plan.factors().of(member.planned(), plan.group(shard), members.size()).weight();
    }
    return sum;
  }

  /** Whether a model can be taken out of a shard's sums: all that it added can be read. */
  boolean canTakeOut(KeptModel kept, Slot base) {
    return allOf(kept, base, this::isCheckpointAvailable, this::isFisherAvailable);
  }

  /** Whether what a model added to a shard's sums is local, or in the topics as far as we know. */
  boolean canBeRead(KeptModel kept, Slot base) {
    return allOf(
        kept,
        base,
        (model, shard, state) -> state.getCheckpointOffset() >= 0,
        (model, shard, fisher) -> true);
  }

  private interface Test<T> {
    boolean holds(KnownModel model, Shard shard, T payload);
  }

  /** Whether something holds of all payloads that a model added to a shard's sums. */
  private boolean allOf(
      KeptModel kept, Slot base, Test<ShardState> checkpoint, Test<SealedFisher> fisher) {
    Shard shard = base.shard();
    if (kept.getHeld() && held(kept).isEmpty()) {
      return false;
    }
    Optional<KnownModel> owner = owner(kept, shard);
    if (owner.isEmpty()) {
      return !plan.countsUnchanged()
          || checkpoint.holds(plan.base(), shard, partition.ledger().shard(plan.base(), shard));
    }
    return allOf(owner.get(), shard, kept.getEpoch(), checkpoint, fisher);
  }

  private boolean allOf(
      KnownModel model,
      Shard shard,
      int epoch,
      Test<ShardState> checkpoint,
      Test<SealedFisher> fisher) {
    ShardState state = partition.ledger().shard(model, shard);
    return checkpoint.holds(model, shard, state)
        && (!formula.readsFishers()
            || FisherShard.sealed(state, epoch)
                .filter(found -> fisher.holds(model, shard, found))
                .isPresent());
  }

  /** Whether a model's payloads of a shard are available. */
  boolean isAvailable(KnownModel model, Shard shard, int epoch) {
    return allOf(model, shard, epoch, this::isCheckpointAvailable, this::isFisherAvailable);
  }

  /** The model, if it has this shard; empty if it leaves the shard as the base has it. */
  Optional<KnownModel> owner(KeptModel kept, Shard shard) {
    return held(kept).filter(model -> model.owns(shard));
  }

  private Optional<KnownModel> held(KeptModel kept) {
    return partition.ledger().held(new ModelVersion(kept.getModel(), kept.getVersion()));
  }

  /**
   * What models add to a shard's sums.
   *
   * @param added some of the plan's models
   * @param members the models that are merged in the shard
   */
  List<ShardInput> toAdd(Set<ModelVersion> added, List<Participant> members, Slot base) {
    return members.stream()
        .filter(member -> added.contains(member.version()))
        .map(member -> of(member, base, members.size()))
        .toList();
  }

  /** What models added that {@link #canTakeOut can be taken out} of a shard's sums. */
  List<ShardInput> toTakeOut(List<KeptModel> gone, Slot base) {
    List<ShardInput> inputs = new ArrayList<>();
    for (KeptModel kept : gone) {
      Factors own = new Factors(weight(kept, plan.group(base.shard())), kept.getUnit());
      Optional<KnownModel> owner = owner(kept, base.shard());
      if (owner.isPresent()) {
        inputs.add(input(owner.get(), base.shard(), kept.getEpoch(), own));
      } else if (plan.countsUnchanged()) {
        inputs.add(unchanged(base, own));
      }
    }
    return inputs;
  }

  private static double weight(KeptModel kept, int group) {
    return group == ParameterGroups.NO_GROUP || kept.getGroupWeights().isEmpty()
        ? kept.getWeight()
        : kept.getGroupWeights().get(group);
  }

  private boolean isCheckpointAvailable(KnownModel model, Shard shard, ShardState state) {
    Slot slot = model.checkpointSlot(shard.tensor().name(), shard.index());
    return state.getCheckpointOffset() >= 0
        && partition
            .payloads()
            .file(model.version(), PayloadName.CHECKPOINT)
            .holds(slot.ordinal(), slot.firstByte(), shard.bytes(), state.getCheckpointCrc());
  }

  private boolean isFisherAvailable(KnownModel model, Shard shard, SealedFisher sealed) {
    Slot fisher = model.fisherSlot(shard.tensor().name(), shard.index());
    return partition
        .payloads()
        .file(model.version(), PayloadName.fisher(sealed.getEpoch()))
        .holds(
            fisher.ordinal(),
            fisher.firstElement() * Float.BYTES,
            shard.elements() * Float.BYTES,
            sealed.getCrc());
  }

  private ShardInput input(KnownModel model, Shard shard, int epoch, Factors own) {
    String parameter = shard.tensor().name();
    return new ShardInput(
        checkpoint(model, model.checkpointSlot(parameter, shard.index())),
        formula.readsFishers()
            ? Optional.of(
                new ShardInput.Fisher(
                    new PayloadElements(
                        partition.payloads().file(model.version(), PayloadName.fisher(epoch)),
                        model.fisherSlot(parameter, shard.index()).firstElement() * Float.BYTES,
                        DType.F32),
                    divisor(model, epoch, partition.ledger().shard(model, shard)),
                    own.unit()))
            : Optional.empty(),
        own.weight());
  }

  private static double divisor(KnownModel model, int epoch, ShardState shardState) {
    return FisherShard.sealed(shardState, epoch)
        .orElseThrow(
            () ->
                new IllegalStateException(
                    model.id() + " has no epoch " + epoch + " in a shard that was reported sealed"))
        .getDivisor();
  }
}
