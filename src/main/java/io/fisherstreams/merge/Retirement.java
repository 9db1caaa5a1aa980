package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.List;
import java.util.function.BooleanSupplier;

/**
 * Removes what a plan retires from one partition: the state and the files of model versions and of
 * earlier epochs, and with tombstones their records in the topics.
 */
final class Retirement {
  private final PartitionContext partition;
  private ModelVersion underWay;
  private int next;

  Retirement(PartitionContext partition) {
    this.partition = partition;
  }

  /**
   * Continues with a plan's retired versions until {@code isOver}.
   *
   * @return whether everything is removed
   */
  boolean step(MergePlan plan, BooleanSupplier isOver) {
    for (RetiredModel retired : plan.getRetired()) {
      for (KnownModel model : partition.ledger().heldVersions(retired.getModel())) {
        if (model.version().version() <= retired.getVersion() && !remove(model, isOver)) {
          return false;
        }
      }
    }
    for (PlannedModel planned : plan.getModels()) {
      for (int epoch = planned.getEpoch() - 1; epoch > 0; epoch--) {
        partition
            .payloads()
            .drop(
                new ModelVersion(planned.getModel(), planned.getVersion()),
                PayloadName.fisher(epoch));
      }
    }
    return true;
  }

  private boolean remove(KnownModel model, BooleanSupplier isOver) {
    if (!model.version().equals(underWay)) {
      underWay = model.version();
      next = 0;
    }
    List<Slot> slots = model.checkpoint().slots();
    while (next < slots.size()) {
      remove(model, slots.get(next).shard());
      next++;
      if (isOver.getAsBoolean()) {
        return false;
      }
    }
    underWay = null;
    partition.outbox().retireProgress(model.version());
    partition.ledger().remove(model);
    partition.payloads().drop(model.version());
    return true;
  }

  private void remove(KnownModel model, Shard shard) {
    ShardState state = partition.ledger().shard(model, shard);
    if (state.getCheckpointOffset() >= 0) {
      partition.outbox().retireCheckpoint(model.version(), shard);
    }
    Slot fisher = model.fisher().slot(shard.tensor().name(), shard.index());
    if (fisher != null) {
      new FisherShard(partition, model, fisher, state).retireAll();
    }
    partition.ledger().remove(model, shard);
  }
}
