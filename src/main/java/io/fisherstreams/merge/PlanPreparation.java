package io.fisherstreams.merge;

import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Looks for all payloads of which a plan's remaining shards are made, and restores those that are
 * not available locally: first the base model's that are needed, then model by model, because a
 * model's shards are neighbours in their topics.
 */
final class PlanPreparation implements AutoCloseable {
  private static final int BASE = -1;

  private final ResolvedPlan plan;
  private final Ledger ledger;
  private final Recovery.RestoreRequest request;
  private final List<Slot> slots;
  private final int firstSlot;
  private int model = BASE;
  private int slot;
  private boolean isComplete = true;

  /**
   * A preparation that has not started.
   *
   * @param firstSlot index of the first remaining shard of the base model
   */
  PlanPreparation(ResolvedPlan plan, Ledger ledger, Recovery recovery, int firstSlot) {
    this.plan = plan;
    this.ledger = ledger;
    this.request = recovery.request();
    this.slots = plan.base().checkpoint().slots();
    this.firstSlot = firstSlot;
    this.slot = firstSlot;
  }

  ResolvedPlan plan() {
    return plan;
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
      if (slot < slots.size()) {
        isComplete &= need(slots.get(slot++));
      } else {
        model++;
        slot = firstSlot;
      }
      if (isOver.getAsBoolean()) {
        return false;
      }
    }
  }

  /** Requests one model's payloads for a shard of the release; false when the state lacks them. */
  private boolean need(Slot base) {
    Shard shard = base.shard();
    if (model == BASE) {
      return !plan.readsBase(shard)
          || needCheckpoint(plan.base(), base, ledger.shard(plan.base(), shard));
    }
    if (!plan.merges(shard)) {
      return true;
    }
    Participant participant = plan.participants().get(model);
    return participant
        .owner(shard)
        .map(known -> need(known, participant.planned().getEpoch(), shard))
        .orElse(true);
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
