package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.merge.ResolvedPlan.Participant;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayList;
import java.util.List;

/**
 * Removes local payloads that the next release does not read, with {@link LocalPayloads#RECENT}:
 * those of models of whose every shard the sums are kept. The payload topics still have them.
 */
final class ColdPayloads {
  private final PartitionContext partition;

  ColdPayloads(PartitionContext partition) {
    this.partition = partition;
  }

  /** Removes those of a plan that was carried out, whose sums are still open. */
  void drop(ResolvedPlan plan) {
    if (partition.local() == LocalPayloads.ALL || !partition.kept().areKept()) {
      return;
    }
    List<Shard> readAgain = readAgain(plan);
    for (Participant participant : plan.participants()) {
      if (readAgain.stream().noneMatch(shard -> participant.owner(shard).isPresent())) {
        PayloadName fisher = PayloadName.fisher(participant.planned().getEpoch());
        partition.payloads().drop(participant.version(), PayloadName.CHECKPOINT);
        partition.payloads().drop(participant.version(), fisher);
      }
    }
  }

  /** The merged shards whose models each release must read. */
  private List<Shard> readAgain(ResolvedPlan plan) {
    List<Shard> shards = new ArrayList<>();
    for (Slot slot : plan.base().checkpoint().slots()) {
      Shard shard = slot.shard();
      if (plan.merges(shard) && !isInSums(plan, slot)) {
        shards.add(shard);
      }
    }
    return shards;
  }

  private boolean isInSums(ResolvedPlan plan, Slot slot) {
    if (plan.members(slot.shard()).size() < BinnedMerge.MIN_MODELS) {
      return false;
    }
    KeptSums.Look look = partition.kept().look(slot);
    return look.isUsable() && look.isPrecise() && look.change().isNone();
  }
}
