package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.BitSet;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.BooleanSupplier;

/**
 * Looks for all payloads that a plan's shards need, and restores those that are not available
 * locally: first the base model's that are needed, then model by model, because a model's shards
 * are neighbours in their topics. A shard of which sums are kept needs the models that are added to
 * them, others need all models.
 */
final class PlanPreparation implements AutoCloseable {
  private static final int BASE = -1;

  private final ResolvedPlan plan;
  private final Ledger ledger;
  private final Recovery.RestoreRequest request;
  private final List<Slot> slots;
  private final int firstSlot;
  private final int endSlot;
  private final Optional<KeptSums> kept;
  private final ShardInputs inputs;
  private final BitSet full = new BitSet();
  private final KeptSums.Difference[] changes;
  private final Set<ModelVersion> added = new HashSet<>();
  private int model = BASE;
  private int slot;
  private boolean isComplete = true;

  private PlanPreparation(
      PartitionContext partition,
      ResolvedPlan plan,
      Optional<KeptSums> kept,
      int firstSlot,
      int endSlot) {
    this.plan = plan;
    ledger = partition.ledger();
    request = partition.recovery().request();
    inputs = new ShardInputs(partition, plan);
    this.slots = plan.base().checkpoint().slots();
    this.kept = kept.filter(KeptSums::areKept);
    this.firstSlot = firstSlot;
    this.endSlot = endSlot;
    this.slot = firstSlot;
    changes = new KeptSums.Difference[endSlot - firstSlot];
  }

  /**
   * A preparation of the remaining shards, that has not started.
   *
   * @param firstSlot index of the first remaining shard of the base model
   */
  static PlanPreparation ofRest(PartitionContext partition, ResolvedPlan plan, int firstSlot) {
    return new PlanPreparation(
        partition,
        plan,
        Optional.of(partition.kept()),
        firstSlot,
        plan.base().checkpoint().slots().size());
  }

  /** A preparation of one shard that is built from all models. */
  static PlanPreparation ofAll(PartitionContext partition, ResolvedPlan plan, int slot) {
    return new PlanPreparation(partition, plan, Optional.empty(), slot, slot + 1);
  }

  ResolvedPlan plan() {
    return plan;
  }

  /** The shards for which all models were looked for, by their index. */
  BitSet full() {
    return full;
  }

  /** Whether everything that was looked for is available. */
  boolean isComplete() {
    return isComplete;
  }

  /**
   * Continues until {@code isOver}.
   *
   * @return whether the preparation has ended
   */
  boolean step(BooleanSupplier isOver) {
    while (true) {
      boolean isLast = model == plan.participants().size();
      if (isLast || request.isFull()) {
        if (!request.step(isOver)) {
          return false;
        }
        isComplete &= request.finish();
        if (isLast) {
          return true;
        }
      }
      if (slot < endSlot) {
        isComplete &= need(slot++);
      } else {
        nextModel();
      }
      if (isOver.getAsBoolean()) {
        return false;
      }
    }
  }

  private void nextModel() {
    List<Participant> all = plan.participants();
    do {
      model++;
    } while (full.isEmpty() && model < all.size() && !added.contains(all.get(model).version()));
    slot = model < all.size() ? firstSlot : endSlot;
  }

  /** Requests one model's payloads for a shard of the release; false when the state lacks them. */
  private boolean need(int index) {
    Slot base = slots.get(index);
    Shard shard = base.shard();
    if (model == BASE) {
      if (plan.merges(shard)) {
        look(index, base);
      }
      return !plan.readsBase(shard)
          || needCheckpoint(plan.base(), base, ledger.shard(plan.base(), shard));
    }
    Participant participant = plan.participants().get(model);
    if (!plan.merges(shard) || !(full.get(index) || isAdded(index, participant))) {
      return true;
    }
    return participant
        .owner(shard)
        .map(known -> need(known, participant.planned().getEpoch(), shard))
        .orElse(true);
  }

  private boolean isAdded(int index, Participant participant) {
    return changes[index - firstSlot].added().containsKey(participant.version());
  }

  /** Finds out which models a merged shard needs. */
  private void look(int index, Slot base) {
    Optional<KeptSums.Difference> change =
        kept.filter(sums -> plan.members(base.shard()).size() >= BinnedMerge.MIN_MODELS)
            .flatMap(sums -> sums.change(base));
    if (change.isPresent() && areAvailable(change.get().gone(), base)) {
      changes[index - firstSlot] = change.get();
      added.addAll(change.get().added().keySet());
    } else {
      full.set(index);
    }
  }

  private boolean areAvailable(List<KeptModel> gone, Slot base) {
    return gone.stream().allMatch(model -> inputs.canTakeOut(model, base));
  }

  private boolean need(KnownModel known, int epoch, Shard shard) {
    String parameter = shard.tensor().name();
    ShardState state = ledger.shard(known, shard);
    if (!plan.formula().readsFishers()) {
      return needCheckpoint(known, known.checkpointSlot(parameter, shard.index()), state);
    }
    Optional<SealedFisher> sealed = FisherShard.sealed(state, epoch);
    sealed.ifPresent(
        fisher -> request.needFisher(known, known.fisherSlot(parameter, shard.index()), fisher));
    return needCheckpoint(known, known.checkpointSlot(parameter, shard.index()), state)
        && sealed.isPresent();
  }

  private boolean needCheckpoint(KnownModel known, Slot place, ShardState state) {
    if (state.getCheckpointOffset() < 0) {
      return false;
    }
    request.needCheckpoint(known, place, state);
    return true;
  }

  /** Stops reading. */
  @Override
  public void close() {
    request.close();
  }
}
