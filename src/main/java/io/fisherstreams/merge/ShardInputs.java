package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeFormula.Factors;
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
    Factors own = plan.factors().of(planned, members);
    return participant
        .owner(base.shard())
        .map(model -> input(model, base.shard(), planned.getEpoch(), own))
        .orElseGet(() -> unchanged(base, own));
  }

  /** The part of a model that leaves a shard as the base has it. */
  private ShardInput unchanged(Slot base, Factors own) {
    return ShardInput.unchanged(checkpoint(plan.base(), base), formula, own);
  }

  /** The sum of the models' weights. */
  double weights(List<Participant> members) {
    double sum = 0;
    for (Participant member : members) {
      sum += plan.factors().of(member.planned(), members.size()).weight();
    }
    return sum;
  }

  /** Whether a model can be taken out of a shard's sums: all that it added can be read. */
  boolean canTakeOut(KeptModel kept, Slot base) {
    Shard shard = base.shard();
    Optional<KnownModel> held = held(kept);
    if (kept.getHeld() && held.isEmpty()) {
      return false;
    }
    return held.filter(model -> model.owns(shard))
        .map(model -> isAvailable(model, shard, kept.getEpoch()))
        .orElseGet(
            () ->
                !plan.countsUnchanged()
                    || isCheckpointAvailable(
                        plan.base(), shard, partition.ledger().shard(plan.base(), shard)));
  }

  private Optional<KnownModel> held(KeptModel kept) {
    return partition.ledger().held(new ModelVersion(kept.getModel(), kept.getVersion()));
  }

  /** What models added that {@link #canTakeOut can be taken out} of a shard's sums. */
  List<ShardInput> toTakeOut(List<KeptModel> gone, Slot base) {
    List<ShardInput> inputs = new ArrayList<>();
    for (KeptModel kept : gone) {
      Factors own = new Factors(kept.getWeight(), kept.getUnit());
      Optional<KnownModel> owner = held(kept).filter(model -> model.owns(base.shard()));
      if (owner.isPresent()) {
        inputs.add(input(owner.get(), base.shard(), kept.getEpoch(), own));
      } else if (plan.countsUnchanged()) {
        inputs.add(unchanged(base, own));
      }
    }
    return inputs;
  }

  private boolean isCheckpointAvailable(KnownModel model, Shard shard, ShardState state) {
    Slot slot = model.checkpointSlot(shard.tensor().name(), shard.index());
    return state.getCheckpointOffset() >= 0
        && partition
            .payloads()
            .file(model.version(), PayloadName.CHECKPOINT)
            .holds(slot.ordinal(), slot.firstByte(), shard.bytes(), state.getCheckpointCrc());
  }

  private boolean isAvailable(KnownModel model, Shard shard, int epoch) {
    ShardState state = partition.ledger().shard(model, shard);
    if (!isCheckpointAvailable(model, shard, state)) {
      return false;
    }
    if (!formula.readsFishers()) {
      return true;
    }
    Optional<SealedFisher> sealed = FisherShard.sealed(state, epoch);
    Slot fisher = model.fisherSlot(shard.tensor().name(), shard.index());
    return sealed.isPresent()
        && partition
            .payloads()
            .file(model.version(), PayloadName.fisher(epoch))
            .holds(
                fisher.ordinal(),
                fisher.firstElement() * Float.BYTES,
                shard.elements() * Float.BYTES,
                sealed.get().getCrc());
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
