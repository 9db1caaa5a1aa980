package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.merge.state.KeptModel;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.BitSet;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Looks for all payloads that a plan's shards need, and restores those that are not available
 * locally: first the base model's that are needed, then model by model, because a model's shards
 * are neighbours in their topics. A shard of which sums are kept needs the models that are added to
 * them or taken out, others need all models.
 */
final class PlanPreparation implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PlanPreparation.class);

  private final ResolvedPlan plan;
  private final Ledger ledger;
  private final Recovery.RestoreRequest request;
  private final List<Slot> slots;
  private final int endSlot;
  private final Optional<KeptSums> kept;
  private final ShardInputs inputs;
  private final PlanSources needs;
  private final BitSet full = new BitSet();
  private List<PlanSources.Source> sources;
  private int source;
  private int slot;
  private boolean isComplete = true;
  private boolean isWaiting;

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
    slots = plan.base().checkpoint().slots();
    this.kept = kept.filter(KeptSums::areKept);
    needs = new PlanSources(partition, plan, this.kept);
    slot = firstSlot;
    this.endSlot = endSlot;
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

  /** A preparation of shards that are built from all models. */
  static PlanPreparation ofAll(
      PartitionContext partition, ResolvedPlan plan, int firstSlot, int endSlot) {
    return new PlanPreparation(partition, plan, Optional.empty(), firstSlot, endSlot);
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

  /** Whether sums on which it relied were forgotten, because a payload that they hold is lost. */
  boolean isStale() {
    return kept.isPresent() && !kept.get().areKept();
  }

  /**
   * The part of the models that was made available, if there is not room for all: the sums must
   * take it in first.
   */
  Optional<SumsRound> round() {
    return needs.round();
  }

  /**
   * Continues until {@code isOver}.
   *
   * @return whether the preparation has ended
   */
  boolean step(BooleanSupplier isOver) {
    while (true) {
      boolean isLast = sources != null && source == sources.size();
      if (isLast || request.isFull()) {
        logWaiting();
        if (!request.step(isOver)) {
          return false;
        }
        isComplete &= request.finish();
        if (isLast) {
          return true;
        }
      }
      next();
      if (isOver.getAsBoolean()) {
        return false;
      }
    }
  }

  private void logWaiting() {
    if (!isWaiting && !request.isEmpty() && needs.round().isEmpty()) {
      isWaiting = true;
      LOG.info(
          "partition {}: release {} waits for payloads that are not in local files",
          ledger.partition(),
          plan.plan().getRelease());
    }
  }

  private void next() {
    if (sources == null) {
      if (slot < endSlot) {
        isComplete &= needBase(slot++);
      } else {
        sources = needs.sources(full);
        slot = 0;
      }
      return;
    }
    slot = sources.get(source).slots().nextSetBit(slot);
    if (slot >= 0) {
      isComplete &= need(sources.get(source), slots.get(slot++).shard());
    } else {
      source++;
      slot = 0;
    }
  }

  /** Looks at one shard, and requests the base's, if needed; false when the state lacks it. */
  private boolean needBase(int index) {
    Slot base = slots.get(index);
    Shard shard = base.shard();
    boolean takesOutUnchanged = plan.merges(shard) && look(index, base);
    return !(takesOutUnchanged || plan.readsBase(shard))
        || needCheckpoint(plan.base(), base, ledger.shard(plan.base(), shard));
  }

  /**
   * Finds out which models a merged shard needs.
   *
   * @return whether one is taken out that leaves the shard as the base has it
   */
  private boolean look(int index, Slot base) {
    Optional<KeptSums.Look> look =
        kept.filter(KeptSums::areKept)
            .filter(sums -> plan.members(base.shard()).size() >= BinnedMerge.MIN_MODELS)
            .map(sums -> sums.look(base));
    look.ifPresent(found -> needs.name(found.sets()));
    if (look.isEmpty() || !look.get().isPrecise()) {
      full.set(index);
      return false;
    }
    List<KeptModel> gone = look.get().change().gone();
    if (look.get().isUsable() && gone.stream().allMatch(model -> inputs.canBeRead(model, base))) {
      needs.change(index, base.shard(), look.get().change());
      return plan.countsUnchanged()
          && gone.stream().anyMatch(model -> inputs.owner(model, base.shard()).isEmpty());
    }
    full.set(index);
    needs.anew(index);
    return false;
  }

  /** Requests a model's payloads for a shard; false when the state lacks them. */
  private boolean need(PlanSources.Source wanted, Shard shard) {
    KnownModel known = wanted.model();
    String parameter = shard.tensor().name();
    ShardState state = ledger.shard(known, shard);
    Slot checkpoint = known.checkpointSlot(parameter, shard.index());
    if (!plan.formula().readsFishers()) {
      return needCheckpoint(known, checkpoint, state);
    }
    Optional<SealedFisher> sealed = FisherShard.sealed(state, wanted.epoch());
    sealed.ifPresent(
        fisher -> request.needFisher(known, known.fisherSlot(parameter, shard.index()), fisher));
    return needCheckpoint(known, checkpoint, state) && sealed.isPresent();
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
