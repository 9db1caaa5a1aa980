package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.util.ArrayDeque;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Removes what a plan retires from one partition: the state and the files of model versions and of
 * earlier epochs, and with tombstones their records in the topics.
 */
final class Retirement {
  private final PartitionContext partition;
  private final Deque<ModelVersion> remaining = new ArrayDeque<>();
  private MergePlan plan;
  // In memory only: after a restart, it passes what is removed once more.
  private int nextSlot;

  Retirement(PartitionContext partition) {
    this.partition = partition;
  }

  /**
   * Continues with a plan's retired versions until {@code isOver}.
   *
   * @return whether everything is removed
   */
  @SuppressWarnings("ReferenceEquality") // comparing two plans would cost more than the step
  boolean step(MergePlan newest, BooleanSupplier isOver) {
    if (plan == null
        || plan.getRelease() != newest.getRelease()
        || plan.getRetirement() != newest.getRetirement()) {
      begin(newest);
    }
    while (!remaining.isEmpty()) {
      Optional<KnownModel> model = partition.ledger().held(remaining.peek());
      if (model.isPresent() && !remove(model.get(), isOver)) {
        return false;
      }
      remaining.remove();
      nextSlot = 0;
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

  private void begin(MergePlan newest) {
    plan = newest;
    nextSlot = 0;
    remaining.clear();
    if (!newest.getRetired().isEmpty()) {
      // From here on no shard of a retired version is admitted, in whatever order topics are read.
      partition.ledger().syncCatalog();
    }
    for (RetiredModel retired : newest.getRetired()) {
      for (ModelVersion version : partition.ledger().heldVersions(retired.getModel())) {
        if (version.version() <= retired.getVersion()) {
          remaining.add(version);
        }
      }
    }
  }

  private boolean remove(KnownModel model, BooleanSupplier isOver) {
    partition.kept().forget(model.version()); // no plan without it was carried out
    List<Slot> slots = model.checkpoint().slots();
    while (nextSlot < slots.size()) {
      remove(model, slots.get(nextSlot++).shard());
      if (isOver.getAsBoolean()) {
        return false;
      }
    }
    partition.outbox().retireProgress(model.version(), PartitionReport.parts(model));
    partition.ledger().remove(model);
    if (partition.ledger().isWithdrawn(model.version().model())) {
      partition.payloads().delete(model.version());
    } else {
      partition.payloads().drop(model.version());
    }
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
