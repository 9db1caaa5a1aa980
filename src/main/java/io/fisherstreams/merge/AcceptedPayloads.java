package io.fisherstreams.merge;

import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.nio.ByteBuffer;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * The payloads of one partition that were accepted under a key and are still named by the state.
 * Compaction keeps the newest record of a key, and the topics are what payloads are restored from:
 * so whatever is refused under such a key, the accepted content is sent once more behind it.
 */
final class AcceptedPayloads {
  private final Ledger ledger;
  private final PartitionPayloads payloads;
  private final Recovery recovery;
  private final BiConsumer<ShardKey, CheckpointShard> checkpointShards;
  private final BiConsumer<ShardKey, GradientBatch> gradientBatches;

  /**
   * What one partition has accepted.
   *
   * @param checkpointShards sends a record to topic {@code checkpoint-shards}
   * @param gradientBatches sends a record to topic {@code gradient-batches}
   */
  AcceptedPayloads(
      Ledger ledger,
      PartitionPayloads payloads,
      Recovery recovery,
      BiConsumer<ShardKey, CheckpointShard> checkpointShards,
      BiConsumer<ShardKey, GradientBatch> gradientBatches) {
    this.ledger = ledger;
    this.payloads = payloads;
    this.recovery = recovery;
    this.checkpointShards = checkpointShards;
    this.gradientBatches = gradientBatches;
  }

  /** An accepted checkpoint shard. */
  record Checkpoint(KnownModel model, Slot slot, ShardState state) {}

  /**
   * An accepted gradient batch.
   *
   * @param place its place among the open batches, -1 when it is sealed
   * @param sealed the epoch that it is, null when it is open
   * @param examples its example count
   * @param multiplier what its payload's entries are multiplied by to give sums of squares
   * @param crc CRC-32C of its payload
   */
  record Batch(
      KnownModel model,
      Slot slot,
      ShardState state,
      int place,
      SealedFisher sealed,
      long examples,
      double multiplier,
      int crc) {
    boolean isSameAs(GradientBatch record, ByteBuffer payload) {
      return examples == record.getExamples()
          && multiplier == Intake.multiplier(record)
          && crc == PayloadFile.crc(payload);
    }
  }

  /** What was accepted under the key of a checkpoint shard. */
  Optional<Checkpoint> checkpoint(ShardKey key) {
    return ledger
        .held(key.model().model(), key.model().version())
        .flatMap(
            model -> {
              Slot slot = model.checkpoint().slot(key.parameter(), key.shard());
              if (slot == null || key.batch().isPresent()) {
                return Optional.empty();
              }
              ShardState state = ledger.shard(model, slot.shard());
              return state.getCheckpointOffset() < 0
                  ? Optional.empty()
                  : Optional.of(new Checkpoint(model, slot, state));
            });
  }

  /**
   * What was accepted under the key of a gradient batch; nothing when it went into a sum, and is
   * retired, or is forgotten.
   */
  Optional<Batch> batch(ShardKey key) {
    return ledger
        .held(key.model().model(), key.model().version())
        .flatMap(
            model -> {
              Slot slot = model.fisher().slot(key.parameter(), key.shard());
              return slot == null
                  ? Optional.empty()
                  : key.batch().flatMap(name -> batch(model, slot, name));
            });
  }

  private Optional<Batch> batch(KnownModel model, Slot slot, ShardKey.Batch name) {
    ShardState state = ledger.shard(model, slot.shard());
    for (int i = 0; i < state.getOpen().size(); i++) {
      OpenBatch open = state.getOpen().get(i);
      if (name.equals(new ShardKey.Batch(open.getSource(), open.getSequence()))) {
        return Optional.of(
            new Batch(
                model,
                slot,
                state,
                i,
                null,
                open.getExamples(),
                open.getMultiplier(),
                open.getCrc()));
      }
    }
    for (SealedFisher sealed : state.getEpochs()) {
      if (name.equals(new ShardKey.Batch(sealed.getSource(), sealed.getSequence()))) {
        return Optional.of(
            new Batch(
                model,
                slot,
                state,
                -1,
                sealed,
                Math.round(sealed.getExamples()),
                sealed.getExamples() / sealed.getDivisor(),
                sealed.getCrc()));
      }
    }
    return Optional.empty();
  }

  /** Whether the payload is in the local files; otherwise it is lost, and the state with it. */
  boolean isAtHand(Checkpoint accepted) {
    Recovery.Batch batch = recovery.batch();
    batch.needCheckpoint(accepted.model(), accepted.slot(), accepted.state());
    return batch.run();
  }

  /** The same for a gradient batch. */
  boolean isAtHand(Batch accepted) {
    if (accepted.sealed() != null) {
      Recovery.Batch batch = recovery.batch();
      batch.needFisher(accepted.model(), accepted.slot(), accepted.sealed());
      return batch.run();
    }
    ShardState state = accepted.state();
    if (accepted.place() < state.getFolded()) {
      state.setFolded(0); // what is folded stands alone in the topic only
      ledger.put(accepted.model(), accepted.slot().shard(), state);
    }
    return isAtHand(accepted.model(), accepted.slot(), state);
  }

  /** The same for all that a shard's open epoch builds on. */
  boolean isAtHand(KnownModel model, Slot slot, ShardState state) {
    Recovery.Batch batch = recovery.batch();
    need(batch, model, slot, state);
    if (batch.isEmpty()) {
      return true;
    }
    for (Slot other : model.fisher().slots()) { // one reading of the topic for many shards
      if (other != slot && !batch.isFull()) {
        need(batch, model, other, ledger.shard(model, other.shard()));
      }
    }
    return batch.run();
  }

  private void need(Recovery.Batch batch, KnownModel model, Slot slot, ShardState state) {
    if (!state.getOpen().isEmpty() && batch.needOpen(model, slot, state)) {
      ledger.put(model, slot.shard(), state);
    }
    List<SealedFisher> epochs = state.getEpochs();
    if (!epochs.isEmpty()) {
      batch.needFisher(model, slot, epochs.get(epochs.size() - 1));
    }
  }

  /** Sends the shard again that was accepted under a key, unless it is lost. */
  void resendCheckpoint(ShardKey key) {
    checkpoint(key)
        .filter(this::isAtHand)
        .ifPresent(
            accepted -> {
              ByteBuffer payload = ByteBuffer.allocate(accepted.slot().shard().bytes());
              payloads
                  .file(key.model().model(), key.model().version(), Intake.CHECKPOINT)
                  .read(accepted.slot().firstByte(), payload);
              checkpointShards.accept(
                  key,
                  new CheckpointShard(
                      key.model().model(),
                      key.model().version(),
                      key.parameter(),
                      key.shard(),
                      payload));
            });
  }

  /** Sends the gradient batch again that was accepted under a key, dense, unless it is lost. */
  void resendBatch(ShardKey key) {
    batch(key)
        .filter(this::isAtHand)
        .ifPresent(
            accepted -> {
              String file =
                  accepted.sealed() != null
                      ? Intake.fisherFile(accepted.sealed().getEpoch())
                      : Intake.openFile(accepted.place() - accepted.state().getFolded());
              ByteBuffer payload =
                  ByteBuffer.allocate(accepted.slot().shard().elements() * Float.BYTES);
              payloads
                  .file(key.model().model(), key.model().version(), file)
                  .read(accepted.slot().firstElement() * Float.BYTES, payload);
              ShardKey.Batch name = key.batch().orElseThrow();
              gradientBatches.accept(
                  key,
                  new GradientBatch(
                      key.model().model(),
                      key.model().version(),
                      key.parameter(),
                      key.shard(),
                      name.source(),
                      name.sequence(),
                      accepted.examples(),
                      accepted.multiplier() == 1 ? Encoding.SQUARED_SUM : Encoding.MEAN_SQUARE,
                      ByteBuffer.allocate(0),
                      payload));
            });
  }
}
