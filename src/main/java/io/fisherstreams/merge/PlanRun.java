package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSums;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.ReleaseDigest;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.LongSupplier;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * Carries a merge plan out in one partition, step by step: prepares its payloads, merges shard
 * after shard, reports, and removes what the plan retires. Each step ends after a time budget, so
 * that records keep flowing. How far it is, is in {@link PlanState}, which is committed together
 * with the step's output. A newer plan replaces an older one.
 */
final class PlanRun implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(PlanRun.class);

  private final PartitionContext partition;
  private final LongSupplier nanoTime;
  private final ShardMerge arithmetic = new ShardMerge();
  private final Retirement retirement;

  private PlanState state;
  private ResolvedPlan plan;
  private MergeSums sums;
  private PlanPreparation preparation;
  private boolean isBlocked;
  private long arrivals;
  private long losses;

  /**
   * No plan yet.
   *
   * @param nanoTime the clock of the time budget
   */
  PlanRun(PartitionContext partition, LongSupplier nanoTime) {
    this.partition = partition;
    this.nanoTime = nanoTime;
    retirement = new Retirement(partition);
  }

  /** Starts a plan, or continues one, where its state says. */
  void begin(PlanState planState) {
    abandonPreparation();
    state = planState;
    plan = null;
    isBlocked = false;
  }

  /** The newest plan and its progress, or null. */
  PlanState state() {
    return state;
  }

  /** Names what is to be done next, the merge or what follows it, to count its failures. */
  String work() {
    return state.getDone()
        ? String.format(
            Locale.ROOT,
            "removal of what release %d retires (list %d)",
            state.getPlan().getRelease(),
            state.getPlan().getRetirement())
        : String.format(Locale.ROOT, "plan of release %d", state.getPlan().getRelease());
  }

  /** Ends work that fails again and again; the release of a merge is reported as impossible. */
  void giveUp(String reason) {
    abandonPreparation();
    plan = null;
    if (state.getDone()) {
      state.setCleared(true);
    } else {
      done(
          String.format(
              Locale.ROOT, "partition %d: the plan %s", partition.ledger().partition(), reason));
    }
  }

  /** Stops the reading of a preparation. */
  @Override
  public void close() {
    abandonPreparation();
  }

  /** Whether nothing is left to do. */
  boolean isIdle() {
    return state == null || (state.getDone() && state.getCleared());
  }

  /**
   * Works for about {@code budgetNanos}.
   *
   * @return whether the state changed
   */
  boolean step(long budgetNanos) {
    if (isIdle()) {
      return false;
    }
    long deadline = nanoTime.getAsLong() + budgetNanos;
    BooleanSupplier isOver = () -> nanoTime.getAsLong() - deadline >= 0;
    if (state.getDone()) {
      if (retirement.step(state.getPlan(), isOver)) {
        state.setCleared(true);
        if (!state.getPlan().getRetired().isEmpty()) {
          report(state.getPlan().getRetirement(), null);
        }
      }
      return true;
    }
    if (losses != partition.ledger().losses()) {
      abandonPreparation();
      plan = null;
    }
    if (plan == null && !prepare(isOver)) {
      return state.getDone();
    }
    List<Slot> slots = plan.base().checkpoint().slots();
    while (state.getNext() < slots.size()) {
      Optional<String> fault = merge(slots.get(state.getNext()));
      if (fault.isPresent()) {
        done(fault.get());
        return true;
      }
      state.setNext(state.getNext() + 1);
      if (isOver.getAsBoolean()) {
        return true;
      }
    }
    done(null);
    return true;
  }

  private void done(String fault) {
    state.setDone(true);
    report(0, fault);
  }

  /** Reports what was merged; with the number of the retired models' list once they are removed. */
  private void report(long retired, String fault) {
    partition
        .outbox()
        .done(
            new ReleaseProgress(
                state.getPlan().getRelease(),
                (long) state.getNext(),
                state.getChecksum(),
                state.getUnweighted(),
                retired,
                fault));
  }

  /**
   * Resolves the plan's models and makes all their payloads available; false while they are not.
   * After a failed attempt it does not search again until something new has arrived.
   */
  private boolean prepare(BooleanSupplier isOver) {
    Ledger ledger = partition.ledger();
    if (preparation == null) {
      if (isBlocked && arrivals == ledger.arrivals()) {
        return false;
      }
      arrivals = ledger.arrivals();
      losses = ledger.losses();
      isBlocked = false;
      Optional<ResolvedPlan> resolved = ResolvedPlan.of(state.getPlan(), ledger);
      if (resolved.isEmpty()) {
        done(null); // this partition has no shard of the base, so it has nothing to merge
        return false;
      }
      preparation =
          new PlanPreparation(resolved.get(), ledger, partition.recovery(), state.getNext());
    }
    if (!preparation.step(isOver)) {
      return false;
    }
    isBlocked = !preparation.isComplete();
    losses = ledger.losses();
    if (isBlocked) {
      LOG.error("release {} cannot be made now: payloads are lost", state.getPlan().getRelease());
    } else {
      plan = preparation.plan();
      sums = ShardMerge.sums(plan.formula());
    }
    preparation = null;
    return !isBlocked;
  }

  private void abandonPreparation() {
    if (preparation != null) {
      preparation.close();
      preparation = null;
    }
  }

  /** Merges or copies one shard and sends it; or returns why the release cannot have it. */
  private Optional<String> merge(Slot slot) {
    Shard shard = slot.shard();
    DType dtype = plan.outputDtype(shard);
    if (plan.merges(shard)) {
      mergeModels(slot, dtype);
    } else {
      arithmetic.copy(checkpoint(plan.base(), slot), shard.elements(), dtype);
    }
    Optional<String> fault =
        arithmetic.misfit().map(misfit -> misfit.text(shard, dtype, state.getPlan().getModels()));
    if (fault.isPresent()) {
      return fault;
    }
    ByteBuffer merged = arithmetic.merged();
    int crc = PayloadFile.crc(merged);
    state.setChecksum(
        state.getChecksum() + ReleaseDigest.of(shard.tensor().name(), shard.index(), crc));
    partition
        .outbox()
        .merged(
            new MergedTensor(
                state.getPlan().getRelease(),
                shard.tensor().name(),
                shard.index(),
                Shard.count(shard.tensor()),
                dtype.name(),
                shard.tensor().shape(),
                crc,
                merged));
    return Optional.empty();
  }

  private void mergeModels(Slot slot, DType dtype) {
    Shard shard = slot.shard();
    List<ShardMerge.Input> inputs = new ArrayList<>(plan.participants().size());
    List<Runnable> retirements = new ArrayList<>(plan.participants().size());
    for (Participant participant : plan.participants()) {
      Optional<KnownModel> owner = participant.owner(shard);
      if (owner.isEmpty()) {
        if (plan.countsUnchanged()) {
          inputs.add(unchanged(participant.planned(), slot));
        }
        continue;
      }
      KnownModel model = owner.get();
      ShardState shardState = partition.ledger().shard(model, shard);
      inputs.add(input(participant.planned(), model, shard, shardState));
      Slot fisher = model.fisherSlot(shard.tensor().name(), shard.index());
      int epoch = participant.planned().getEpoch();
      retirements.add(
          () -> new FisherShard(partition, model, fisher, shardState).retireBefore(epoch));
    }
    if (inputs.isEmpty()) {
      arithmetic.copy(checkpoint(plan.base(), slot), shard.elements(), dtype);
      return;
    }
    Optional<ShardMerge.Payload> base =
        plan.formula().readsBase() ? Optional.of(checkpoint(plan.base(), slot)) : Optional.empty();
    state.setUnweighted(
        state.getUnweighted() + arithmetic.merge(sums, base, inputs, shard.elements(), dtype));
    retirements.forEach(Runnable::run);
  }

  /** The part of a model that leaves a shard as the base has it. */
  private ShardMerge.Input unchanged(PlannedModel planned, Slot slot) {
    return ShardMerge.Input.unchanged(checkpoint(plan.base(), slot), plan.formula(), planned);
  }

  private ShardMerge.Payload checkpoint(KnownModel model, Slot slot) {
    return new ShardMerge.Payload(
        partition.payloads().file(model.version(), PayloadName.CHECKPOINT),
        slot.firstByte(),
        slot.shard().tensor().dtype());
  }

  private ShardMerge.Input input(
      PlannedModel planned, KnownModel model, Shard shard, ShardState shardState) {
    String parameter = shard.tensor().name();
    MergeFormula.Factors factors =
        plan.formula().planned(planned.getCoefficient(), planned.getWeight());
    return new ShardMerge.Input(
        checkpoint(model, model.checkpointSlot(parameter, shard.index())),
        plan.formula().readsFishers()
            ? Optional.of(
                new ShardMerge.Fisher(
                    new ShardMerge.Payload(
                        partition
                            .payloads()
                            .file(model.version(), PayloadName.fisher(planned.getEpoch())),
                        model.fisherSlot(parameter, shard.index()).firstElement() * Float.BYTES,
                        DType.F32),
                    divisor(model, planned.getEpoch(), shardState),
                    factors.unit()))
            : Optional.empty(),
        factors.weight());
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
