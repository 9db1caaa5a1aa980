package io.fisherstreams.coordinator;

import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.coordinator.state.KeptRelease;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.TopicSlice;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.function.UnaryOperator;

/**
 * The newest plan with what its partitions reported, and the records of the releases that came of
 * earlier plans: complete, abandoned, rejected by a gate, or dropped by retention. It knows no
 * processor: callers publish the plans and records that it returns.
 */
final class Releases {
  private final CoordinatorState state;
  private final int partitions;
  private final PlanPolicy policy;
  private final ReleaseRecords records;
  private final MergedTensorLog mergedTensors;

  /**
   * The releases as they were saved.
   *
   * @param saved kept up to date
   * @param partitions of the merge stage
   */
  Releases(
      CoordinatorState saved,
      int partitions,
      PlanPolicy policy,
      ReleaseRecords records,
      MergedTensorLog mergedTensors) {
    this.state = saved;
    this.partitions = partitions;
    this.policy = policy;
    this.records = records;
    this.mergedTensors = mergedTensors;
    state.setReports(new HashMap<>(state.getReports()));
  }

  /** What a restart needs. */
  CoordinatorState state() {
    return state;
  }

  /** Whether partitions are still carrying out the newest plan. */
  boolean isUnderWay() {
    return state.getUnderWay();
  }

  /** The newest plan; null before the first. */
  MergePlan newestPlan() {
    return state.getLastPlan();
  }

  /** Whether the newest plan merges the same epoch of a model's version. */
  boolean planned(PlannedModel model) {
    MergePlan newest = state.getLastPlan();
    return newest != null
        && newest.getModels().stream()
            .anyMatch(
                known ->
                    known.getModel().equals(model.getModel())
                        && known.getVersion() == model.getVersion()
                        && known.getEpoch() == model.getEpoch());
  }

  /** Models that a gate leaves out. */
  List<LeftOutModel> leftOut() {
    return state.getLeftOut();
  }

  /** Replaces the models that a gate leaves out. */
  void leaveOut(List<LeftOutModel> models) {
    state.setLeftOut(List.copyOf(models));
  }

  /**
   * A model is announced again or withdrawn: no gate leaves it out any more.
   *
   * @return whether one did
   */
  boolean takeBack(String model) {
    List<LeftOutModel> others =
        state.getLeftOut().stream().filter(known -> !known.getModel().equals(model)).toList();
    boolean wasLeftOut = others.size() < state.getLeftOut().size();
    state.setLeftOut(others);
    return wasLeftOut;
  }

  /** Plans abandoned in a row before the newest one. */
  int abandoned() {
    return state.getAbandoned();
  }

  /** Whether the newest plan merges just what is proposed, so that no other plan is needed. */
  boolean isPlanned(Optional<Proposal> proposal) {
    if (proposal.isEmpty()) {
      return !state.getUnderWay();
    }
    return state.getLastPlan() != null
        && proposal.get().isPlannedBy(state.getLastPlan())
        && !state.getLastPlanAbandoned();
  }

  /**
   * Makes the next plan, which is under way from now on.
   *
   * @param retired what no later plan uses
   * @param retirement number of that list
   */
  MergePlan begin(Proposal proposal, List<RetiredModel> retired, long retirement, Instant now) {
    MergePlan previous = state.getLastPlan();
    MergePlan plan =
        new MergePlan(
            previous == null ? 1 : previous.getRelease() + 1,
            now,
            PlanCause.of(previous, proposal),
            proposal.base().manifest().getModel(),
            proposal.base().manifest().getVersion(),
            proposal.base().manifest().getMethod(),
            proposal.models(),
            retired,
            retirement,
            false,
            proposal.leftOut().stream().limit(Limits.MAX_LEFT_OUT).toList(),
            proposal.warnings(),
            policy.shares().largest(),
            policy.shares().leavesTakeoversOut());
    state.setLastPlan(plan);
    state.setLastPlanAbandoned(false);
    state.setUnderWay(true);
    state.setFirstOffsets(mergedTensors.endOffsets());
    state.getReports().clear();
    return plan;
  }

  /**
   * The newest plan with another list of retired models, to be sent again. Without a plan, or when
   * its release is abandoned, partitions only remove these models.
   */
  MergePlan retire(List<RetiredModel> retired, long retirement, Instant now) {
    MergePlan newest = state.getLastPlan();
    if (newest == null) {
      return new MergePlan(
          0L,
          now,
          "models withdrawn before the first release",
          "",
          0L,
          MergeMethod.newBuilder().build(),
          List.of(),
          retired,
          retirement,
          true,
          List.of(),
          List.of(),
          policy.shares().largest(),
          policy.shares().leavesTakeoversOut());
    }
    MergePlan longer = MergePlan.newBuilder(newest).build();
    longer.setRetired(retired);
    longer.setRetirement(retirement);
    longer.setRetiresOnly(state.getLastPlanAbandoned());
    state.setLastPlan(longer);
    return longer;
  }

  /** Gives the plan under way up; the release's record. */
  Release abandon(Instant now) {
    Release release =
        release(
            ReleaseStatus.ABANDONED, "overtaken by a change of the pool", List.of(), 0, "", now);
    state.setUnderWay(false);
    state.setLastPlanAbandoned(true);
    state.setAbandoned(state.getAbandoned() + 1);
    return release;
  }

  /**
   * Ends the plan under way without a release, because a partition found a tensor that is not
   * finite. No other plan follows before the pool changes: it would end the same way.
   *
   * @return the release's record
   */
  Release reject(String reason, Instant now) {
    Release release = release(ReleaseStatus.REJECTED, reason, List.of(), 0, "", now);
    state.setUnderWay(false);
    state.setAbandoned(0);
    return release;
  }

  /** Takes a partition's report in; false when it is not of the plan under way. */
  boolean report(int partition, ReleaseProgress done) {
    boolean isCurrent =
        state.getUnderWay() && state.getLastPlan().getRelease() == done.getRelease();
    if (isCurrent) {
      state.getReports().put(Integer.toString(partition), done);
    }
    return isCurrent;
  }

  /** Whether every partition has carried out the plan under way. */
  boolean canComplete() {
    return state.getUnderWay() && state.getReports().size() == partitions;
  }

  /**
   * Completes the plan under way, and drops the oldest releases that retention no longer asks for.
   *
   * @param held which of the usable releases an alias holds
   * @return the release's record
   */
  Release complete(UnaryOperator<Set<Long>> held, Instant now) {
    long shards = 0;
    long checksum = 0;
    for (ReleaseProgress report : state.getReports().values()) {
      shards += report.getShards();
      checksum += report.getChecksum();
    }
    List<TopicSlice> slices = new ArrayList<>();
    List<Long> ends = mergedTensors.endOffsets();
    for (int p = 0; p < ends.size(); p++) {
      slices.add(new TopicSlice(p, state.getFirstOffsets().get(p), ends.get(p)));
    }
    Release release =
        release(
            ReleaseStatus.COMPLETE,
            "",
            slices,
            shards,
            String.format(Locale.ROOT, "%016x", checksum),
            now);
    records.put(release);
    state.setUnderWay(false);
    state.setAbandoned(0);
    keep(release, held, now);
    return release;
  }

  private Release release(
      ReleaseStatus status,
      String reason,
      List<TopicSlice> slices,
      long shards,
      String checksum,
      Instant now) {
    long unweighted = 0;
    for (ReleaseProgress report : state.getReports().values()) {
      unweighted += report.getUnweighted();
    }
    return new Release(
        state.getLastPlan().getRelease(),
        status,
        now,
        reason,
        state.getLastPlan(),
        slices,
        shards,
        checksum,
        unweighted,
        null);
  }

  private void keep(Release release, UnaryOperator<Set<Long>> held, Instant now) {
    List<KeptRelease> kept = new ArrayList<>(state.getKept());
    kept.add(new KeptRelease(release.getRelease(), now));
    List<KeptRelease> dropped = kept.subList(0, dropped(kept, held.apply(usable(kept)), now));
    // Before the record is deleted that has them.
    List<Long> firstOffsets =
        state.getKept().isEmpty() ? List.of() : firstOffsets(state.getKept().get(0).getRelease());
    dropped.forEach(gone -> records.delete(gone.getRelease()));
    dropped.clear();
    // A release dropped now is still needed if this transaction is aborted. Its tensors are deleted
    // with the next release: by then a merge stage has read this transaction's committed plan.
    if (!firstOffsets.isEmpty()) {
      mergedTensors.deleteBefore(firstOffsets);
    }
    state.setKept(kept);
  }

  private List<Long> firstOffsets(long release) {
    return records.get(release).getSlices().stream().map(TopicSlice::getFirstOffset).toList();
  }

  /** Kafka deletes a topic's oldest records only, so a held release also keeps all later ones. */
  private int dropped(List<KeptRelease> kept, Set<Long> held, Instant now) {
    int dropped = 0;
    while (dropped < kept.size() - policy.keep()
        && !held.contains(kept.get(dropped).getRelease())
        && !kept.get(dropped).getAt().plus(policy.keepFor()).isAfter(now)) {
      dropped++;
    }
    return dropped;
  }

  /** Releases that an alias may point to: kept, and not rejected by a gate. */
  Set<Long> usable() {
    return usable(state.getKept());
  }

  private Set<Long> usable(List<KeptRelease> kept) {
    Set<Long> usable = new HashSet<>();
    for (KeptRelease release : kept) {
      if (records.get(release.getRelease()).getStatus() == ReleaseStatus.COMPLETE) {
        usable.add(release.getRelease());
      }
    }
    return usable;
  }

  /** Why an alias cannot point to a release that is not {@link #usable}. */
  String whyUnusable(long id) {
    long newest = state.getLastPlan() == null ? 0 : state.getLastPlan().getRelease();
    if (newest == 0) {
      return "there is no release " + id + ": the pool has none yet";
    }
    if (id < 1 || id > newest) {
      return String.format(Locale.ROOT, "there is no release %d: the newest is %d", id, newest);
    }
    if (id == newest && state.getUnderWay()) {
      return "release " + id + " is not complete yet";
    }
    Release record = records.get(id);
    if (record != null) {
      return String.format(Locale.ROOT, "release %d was rejected: %s", id, record.getReason());
    }
    List<KeptRelease> kept = state.getKept();
    // Retention drops the oldest only, so what is missing between two that are kept never was one.
    return kept.isEmpty() || id > kept.get(0).getRelease()
        ? String.format(Locale.ROOT, "release %d has no tensors: it was abandoned or rejected", id)
        : String.format(
            Locale.ROOT,
            "the tensors of release %d are no longer kept (coordinator.keep_releases)",
            id);
  }

  /**
   * Adds a gate's verdict to a usable release.
   *
   * @return the changed record; empty when the release has a verdict already
   */
  Optional<Release> judge(long id, GateVerdict verdict, Instant now) {
    Release release = records.get(id);
    if (release.getVerdict() != null) {
      return Optional.empty();
    }
    release.setVerdict(verdict);
    if (!verdict.getPassed()) {
      release.setStatus(ReleaseStatus.REJECTED);
      release.setReason(verdict.getReason());
      release.setAt(now);
    }
    records.put(release);
    return Optional.of(release);
  }
}
