package io.fisherstreams.merge;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.tensor.PartitionLayout.Slot;
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
  private final LongSupplier nanoTime;
  private final ReleaseShards shards;
  private final ColdPayloads cold;
  private final Retirement retirement;

  private PlanState state;
  private ResolvedPlan plan;
  private PlanPreparation preparation;
  private PlanPreparation ofMore;
  private SumsRound round;
  private BitSet full;
  private int more;
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
    this.nanoTime = nanoTime;
    shards = new ReleaseShards(partition, kernels);
    cold = new ColdPayloads(partition);
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
    shards.close();
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
    if ((plan == null && !prepare(isOver)) || (ofMore != null && !prepareMore(isOver))) {
      return state.getDone();
    }
    List<Slot> slots = plan.base().checkpoint().slots();
    while (state.getNext() < slots.size()) {
      Slot slot = slots.get(state.getNext());
      if (!shards.merge(slot, full.get(state.getNext()), state)) {
        prepareMore();
        return true;
      }
      Optional<String> fault = shards.send(slot.shard(), state);
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
      if (plan != null) {
        cold.drop(plan);
      }
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
   * Resolves the plan's models and makes the payloads available that the shards need; false while
   * they are not. After a failed attempt it does not search again until something new has arrived.
   */
  private boolean prepare(BooleanSupplier isOver) {
    if (round != null) {
      if (shards.step(round, isOver)) {
        round = null;
      }
      return false;
    }
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
      shards.begin(resolved.get());
      kept().begin(resolved.get(), shards.elementBytes());
      preparation = PlanPreparation.ofRest(partition, resolved.get(), state.getNext());
    }
    if (!preparation.step(isOver)) {
      return false;
    }
    losses = ledger.losses();
    PlanPreparation ended = preparation;
    preparation = null;
    if (!isComplete(ended)) {
      return false;
    }
    round = ended.round().orElse(null);
    if (round == null) {
      plan = ended.plan();
      full = ended.full();
      more = 1;
    }
    if (partition.local() == LocalPayloads.ALL) {
      return true;
    }
    // Blocks that name a set which an aborted transaction has taken back would be built anew from
    // payloads that are not local.
    partition.outbox().commit();
    return false;
  }

  /**
   * Begins to make all models of the next shard available: its sums have turned out not to be
   * enough. Where this happens often, further shards are prepared with it, more each time, because
   * the topics may have to be read from their beginning each time.
   */
  private void prepareMore() {
    int next = state.getNext();
    int end = Math.min(next + more, plan.base().checkpoint().slots().size());
    more *= 2;
    ofMore = PlanPreparation.ofAll(partition, plan, next, end);
  }

  private boolean prepareMore(BooleanSupplier isOver) {
    if (!ofMore.step(isOver)) {
      return false;
    }
    if (isComplete(ofMore)) {
      full.or(ofMore.full());
    } else {
      plan = null;
    }
    ofMore = null;
    return plan != null;
  }

  private boolean isComplete(PlanPreparation ended) {
    isBlocked = !ended.isComplete() && !ended.isStale();
    if (isBlocked) {
      LOG.error("release {} cannot be made now: payloads are lost", state.getPlan().getRelease());
    }
    return ended.isComplete();
  }

  private void abandonPreparation() {
    if (preparation != null) {
      preparation.close();
      preparation = null;
    }
    if (ofMore != null) {
      ofMore.close();
      ofMore = null;
    }
    round = null;
  }
}
