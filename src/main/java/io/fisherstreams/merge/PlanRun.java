package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ReleaseDigest;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.BitSet;
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
  private final MergeKernel.Factory kernels;
  private final LongSupplier nanoTime;
  private final ShardMerge arithmetic = new ShardMerge();
  private final Retirement retirement;

  private PlanState state;
  private ResolvedPlan plan;
  private ShardSums sums;
  private ShardInputs inputs;
  private PlanPreparation preparation;
  private PlanPreparation ofOne;
  private BitSet full;
  private boolean isBlocked;
  private long arrivals;
  private long losses;

  /**
   * No plan yet.
   *
   * @param kernels makes what adds models
   * @param nanoTime the clock of the time budget
   */
  PlanRun(PartitionContext partition, MergeKernel.Factory kernels, LongSupplier nanoTime) {
    this.partition = partition;
    this.kernels = kernels;
    this.nanoTime = nanoTime;
    retirement = new Retirement(partition);
  }

  private KeptSums kept() {
    return partition.kept();
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

  /** Stops the reading of a preparation, and releases the sums. */
  @Override
  public void close() {
    abandonPreparation();
    closeSums();
  }

  private void closeSums() {
    if (sums != null) {
      sums.close();
      sums = null;
    }
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
    if ((plan == null && !prepare(isOver)) || (ofOne != null && !prepareOne(isOver))) {
      return state.getDone();
    }
    List<Slot> slots = plan.base().checkpoint().slots();
    while (state.getNext() < slots.size()) {
      Slot slot = slots.get(state.getNext());
      if (!merge(slot)) {
        ofOne = PlanPreparation.ofAll(partition, plan, state.getNext());
        return true;
      }
      Optional<String> fault = send(slot.shard());
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
    if (fault == null) {
      kept().complete();
    } else {
      kept().forget(); // what the plan retires would stay in the shards that it has not reached
    }
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
        kept().forget();
        done(null); // this partition has no shard of the base, so it has nothing to merge
        return false;
      }
      closeSums();
      sums = new ShardSums(resolved.get().formula(), kernels);
      kept().begin(resolved.get(), sums.bytes());
      preparation = PlanPreparation.ofRest(partition, resolved.get(), state.getNext());
    }
    if (!preparation.step(isOver)) {
      return false;
    }
    losses = ledger.losses();
    if (isComplete(preparation)) {
      plan = preparation.plan();
      full = preparation.full();
      inputs = new ShardInputs(partition, plan);
    }
    preparation = null;
    return !isBlocked;
  }

  /** Makes all models of the next shard available: its sums have turned out not to be enough. */
  private boolean prepareOne(BooleanSupplier isOver) {
    if (!ofOne.step(isOver)) {
      return false;
    }
    if (isComplete(ofOne)) {
      full.set(state.getNext());
    } else {
      plan = null;
    }
    ofOne = null;
    return !isBlocked;
  }

  private boolean isComplete(PlanPreparation ended) {
    isBlocked = !ended.isComplete();
    if (isBlocked) {
      LOG.error("release {} cannot be made now: payloads are lost", state.getPlan().getRelease());
    }
    return !isBlocked;
  }

  private void abandonPreparation() {
    if (preparation != null) {
      preparation.close();
      preparation = null;
    }
    if (ofOne != null) {
      ofOne.close();
      ofOne = null;
    }
  }

  /** Merges or copies one shard; false when all models must be made available first. */
  private boolean merge(Slot slot) {
    Shard shard = slot.shard();
    DType dtype = plan.outputDtype(shard);
    if (plan.merges(shard)) {
      return mergeModels(slot, dtype);
    }
    arithmetic.copy(inputs.checkpoint(plan.base(), slot), shard.elements(), dtype);
    return true;
  }

  /** Sends the shard that was merged last, or returns why the release cannot have it. */
  private Optional<String> send(Shard shard) {
    DType dtype = plan.outputDtype(shard);
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

  private boolean mergeModels(Slot slot, DType dtype) {
    Shard shard = slot.shard();
    List<Participant> members = plan.members(shard);
    if (members.isEmpty()) {
      arithmetic.copy(inputs.checkpoint(plan.base(), slot), shard.elements(), dtype);
      return true;
    }
    Optional<PayloadElements> base =
        plan.formula().readsBase()
            ? Optional.of(inputs.checkpoint(plan.base(), slot))
            : Optional.empty();
    long unweighted =
        kept().areKept() && members.size() >= BinnedMerge.MIN_MODELS
            ? arithmetic.merge(
                sums,
                base,
                new KeptShard(kept(), inputs, slot, members, full.get(state.getNext())),
                shard.elements(),
                dtype)
            : arithmetic.merge(sums, base, inputs.of(members, slot), shard.elements(), dtype);
    if (unweighted < 0) {
      return false;
    }
    state.setUnweighted(state.getUnweighted() + unweighted);
    for (Participant participant : kept().areKept() ? kept().refined() : plan.participants()) {
      retireEarlierEpochs(participant, shard);
    }
    return true;
  }

  private void retireEarlierEpochs(Participant participant, Shard shard) {
    int epoch = participant.planned().getEpoch();
    if (epoch > 1) {
      participant
          .owner(shard)
          .ifPresent(
              model ->
                  FisherShard.load(
                          partition, model, model.fisherSlot(shard.tensor().name(), shard.index()))
                      .retireBefore(epoch));
    }
  }
}
