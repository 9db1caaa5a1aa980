package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.record.MergedTensor;
import io.fisherstreams.record.ReleaseDigest;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Merges the shards of a release one by one and sends them. The payloads that it reads are
 * available, as {@link PlanPreparation} has found.
 */
final class ReleaseShards implements AutoCloseable {
  private final PartitionContext partition;
  private final MergeKernel.Factory kernels;
  private final ShardMerge arithmetic = new ShardMerge();
  private ResolvedPlan plan;
  private ShardSums sums;
  private ShardInputs inputs;

  /**
   * No plan yet.
   *
   * @param kernels makes what adds models
   */
  ReleaseShards(PartitionContext partition, MergeKernel.Factory kernels) {
    this.partition = partition;
    this.kernels = kernels;
  }

  /** Begins with a plan. */
  void begin(ResolvedPlan newPlan) {
    close();
    plan = newPlan;
    sums = new ShardSums(newPlan.formula(), kernels);
    inputs = new ShardInputs(partition, newPlan);
  }

  /** Releases the sums of the present plan. */
  @Override
  public void close() {
    if (sums != null) {
      sums.close();
      sums = null;
    }
  }

  /** Bytes of an element's sums. */
  int elementBytes() {
    return sums.bytes();
  }

  /**
   * Continues a round.
   *
   * @return whether it has ended
   */
  boolean step(SumsRound round, BooleanSupplier isOver) {
    return round.step(arithmetic, sums, isOver);
  }

  private KeptSums kept() {
    return partition.kept();
  }

  /**
   * Merges or copies one shard, and counts its entries without a weight.
   *
   * @param isPrepared whether the payloads of all models are available
   * @return false when they must be made available first
   */
  boolean merge(Slot slot, boolean isPrepared, PlanState state) {
    Shard shard = slot.shard();
    DType dtype = plan.outputDtype(shard);
    if (plan.merges(shard)) {
      return mergeModels(slot, dtype, isPrepared, state);
    }
    arithmetic.copy(inputs.checkpoint(plan.base(), slot), shard.elements(), dtype);
    return true;
  }

  /** Sends the shard that was merged last, or returns why the release cannot have it. */
  Optional<String> send(Shard shard, PlanState state) {
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

  private boolean mergeModels(Slot slot, DType dtype, boolean isPrepared, PlanState state) {
    Shard shard = slot.shard();
    List<Participant> members = plan.members(shard);
    if (members.isEmpty()) {
      arithmetic.copy(inputs.checkpoint(plan.base(), slot), shard.elements(), dtype);
      return true;
    }
    Optional<PayloadElements> base = inputs.base(slot);
    long unweighted =
        kept().areKept() && members.size() >= BinnedMerge.MIN_MODELS
            ? arithmetic.merge(
                sums,
                base,
                new KeptShard(kept(), inputs, slot, members, isPrepared),
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
