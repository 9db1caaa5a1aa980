package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.nio.ByteBuffer;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
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
  private final OpenEpochs openEpochs;
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
      OpenEpochs openEpochs,
      BiConsumer<ShardKey, CheckpointShard> checkpointShards,
      BiConsumer<ShardKey, GradientBatch> gradientBatches) {
    this.ledger = ledger;
    this.payloads = payloads;
    this.recovery = recovery;
    this.openEpochs = openEpochs;
    this.checkpointShards = checkpointShards;
    this.gradientBatches = gradientBatches;
  }

  /** A shard of a model version that this partition holds, with its state. */
  record Held(KnownModel model, Slot slot, ShardState state) {
    boolean hasCheckpoint() {
      return state.getCheckpointOffset() >= 0;
    }
  }

  /**
   * An accepted gradient batch.
   *
   * @param file the local file that its payload is in, or is brought to
   * @param open the batch of the open epoch that it is, null when it is sealed
   * @param sealed the epoch that it is, null when it is open
   * @param examples its example count
   * @param multiplier what its payload's entries are multiplied by to give sums of squares
   * @param crc CRC-32C of its payload
   */
  record Batch(
      Held shard,
      String file,
      OpenBatch open,
      SealedFisher sealed,
      long examples,
      double multiplier,
      int crc) {
    static Batch open(Held shard, String file, OpenBatch open) {
      return new Batch(
          shard, file, open, null, open.getExamples(), open.getMultiplier(), open.getCrc());
    }

    boolean isSameAs(GradientBatch record, ByteBuffer payload) {
      return examples == record.getExamples()
          && multiplier == Intake.multiplier(record)
          && crc == PayloadFile.crc(payload);
    }
  }

  /** The shard that the key of a checkpoint shard names, accepted or not. */
  Optional<Held> checkpointShard(ShardKey key) {
    return key.batch().isPresent()
        ? Optional.empty()
        : held(key)
            .flatMap(model -> held(model, model.checkpoint().slot(key.parameter(), key.shard())));
  }

  /** The shard that the key of a gradient batch names. */
  Optional<Held> fisherShard(ShardKey key) {
    return held(key)
        .flatMap(model -> held(model, model.fisher().slot(key.parameter(), key.shard())));
  }

  private Optional<KnownModel> held(ShardKey key) {
    return ledger.held(key.model().model(), key.model().version());
  }

  private Optional<Held> held(KnownModel model, Slot slot) {
    return Optional.ofNullable(slot)
        .map(place -> new Held(model, place, ledger.shard(model, place.shard())));
  }

  /** What was accepted under the key of a checkpoint shard. */
  Optional<Held> checkpoint(ShardKey key) {
    return checkpointShard(key).filter(Held::hasCheckpoint);
  }

  /**
   * What was accepted under the key of a gradient batch; nothing when it went into a sum, and is
   * retired, or is forgotten.
   */
  Optional<Batch> batch(ShardKey key) {
    return fisherShard(key).flatMap(shard -> batch(shard, key));
  }

  /** The same, for its shard. */
  Optional<Batch> batch(Held shard, ShardKey key) {
    return key.batch().flatMap(name -> batch(shard, name));
  }

  private Optional<Batch> batch(Held shard, ShardKey.Batch name) {
    ShardState state = shard.state();
    for (SealedFisher sealed : state.getEpochs()) {
      if (name.equals(new ShardKey.Batch(sealed.getSource(), sealed.getSequence()))) {
        return Optional.of(
            new Batch(
                shard,
                Intake.fisherFile(sealed.getEpoch()),
                null,
                sealed,
                Math.round(sealed.getExamples()),
                sealed.getExamples() / sealed.getDivisor(),
                sealed.getCrc()));
      }
    }
    if (!AppliedSequences.contains(state.getApplied(), name.source(), name.sequence())) {
      return Optional.empty();
    }
    int place = place(state.getOpen(), name);
    if (place >= 0) {
      return Optional.of(Batch.open(shard, OpenEpochs.openFile(place), state.getOpen().get(place)));
    }
    for (int fold = 0; fold < state.getFolds(); fold++) {
      List<OpenBatch> folded = ledger.folded(shard.model(), shard.slot().shard(), fold);
      place = place(folded, name);
      if (place >= 0) {
        return Optional.of(Batch.open(shard, OpenEpochs.againFile(0), folded.get(place)));
      }
    }
    return Optional.empty();
  }

  private static int place(List<OpenBatch> batches, ShardKey.Batch name) {
    for (int i = 0; i < batches.size(); i++) {
      OpenBatch batch = batches.get(i);
      if (name.equals(new ShardKey.Batch(batch.getSource(), batch.getSequence()))) {
        return i;
      }
    }
    return -1;
  }

  /** Whether the payload is in the local files; otherwise it is lost, and the state with it. */
  boolean isAtHand(Held accepted) {
    Recovery.Batch batch = recovery.batch();
    batch.needCheckpoint(accepted.model(), accepted.slot(), accepted.state());
    return batch.run();
  }

  /** The same for a gradient batch. */
  boolean isAtHand(Batch accepted) {
    KnownModel model = accepted.shard().model();
    Slot slot = accepted.shard().slot();
    Recovery.Batch batch = recovery.batch();
    if (accepted.sealed() != null) {
      batch.needFisher(model, slot, accepted.sealed());
    } else {
      batch.needBatches(model, slot, List.of(accepted.open()), unused -> accepted.file());
    }
    return batch.run();
  }

  /** The same for all that a shard's open epoch builds on. */
  boolean isAtHand(KnownModel model, Slot slot, ShardState state) {
    if (!isPartialAtHand(model, slot, state)) {
      return false;
    }
    Recovery.Batch batch = recovery.batch();
    need(batch, model, slot, state);
    if (batch.isEmpty()) {
      return true;
    }
    for (Slot other : model.fisher().slots()) { // one reading of the topic for many shards
      if (!other.equals(slot) && !batch.isFull()) {
        need(batch, model, other, ledger.shard(model, other.shard()));
      }
    }
    return batch.run();
  }

  private static void need(Recovery.Batch batch, KnownModel model, Slot slot, ShardState state) {
    batch.needBatches(model, slot, state.getOpen(), OpenEpochs::openFile);
    List<SealedFisher> epochs = state.getEpochs();
    if (!epochs.isEmpty()) {
      batch.needFisher(model, slot, epochs.get(epochs.size() - 1));
    }
  }

  /**
   * Makes a partial sum that is gone again, fold by fold, and on the way those of other shards:
   * each pass reads the topic where one fold's batches lie.
   */
  private boolean isPartialAtHand(KnownModel model, Slot slot, ShardState state) {
    if (openEpochs.isPartialWhole(model, slot, state)) {
      return true;
    }
    boolean isComplete = true;
    while (isComplete && !openEpochs.isPartialWhole(model, slot, state)) {
      Recovery.Batch batch = recovery.batch();
      Map<Slot, ShardState> behind = new LinkedHashMap<>();
      needFold(batch, behind, model, slot, state);
      for (Slot other : model.fisher().slots()) {
        if (!other.equals(slot) && !batch.isFull()) {
          needFold(batch, behind, model, other, ledger.shard(model, other.shard()));
        }
      }
      isComplete = batch.run();
      if (isComplete) {
        behind.forEach(
            (place, of) -> {
              openEpochs.foldAgain(model, place, of);
              ledger.put(model, place.shard(), of);
            });
      }
    }
    openEpochs.dropAgain(new ModelVersion(model.model(), model.version()));
    return isComplete;
  }

  private void needFold(
      Recovery.Batch batch,
      Map<Slot, ShardState> behind,
      KnownModel model,
      Slot slot,
      ShardState state) {
    if (!openEpochs.isPartialWhole(model, slot, state)) {
      batch.needBatches(
          model,
          slot,
          ledger.folded(model, slot.shard(), state.getPartialFolds()),
          OpenEpochs::againFile);
      behind.put(slot, state);
    }
  }

  /** Sends the shard again that was accepted under a key, unless it is lost. */
  void resendCheckpoint(ShardKey key) {
    checkpoint(key)
        .filter(this::isAtHand)
        .ifPresent(
            accepted -> {
              ByteBuffer payload =
                  payloads
                      .file(key.model().model(), key.model().version(), Intake.CHECKPOINT)
                      .read(accepted.slot().firstByte(), accepted.slot().shard().bytes());
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
              Slot slot = accepted.shard().slot();
              ByteBuffer payload =
                  payloads
                      .file(key.model().model(), key.model().version(), accepted.file())
                      .read(
                          slot.firstElement() * Float.BYTES, slot.shard().elements() * Float.BYTES);
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
              openEpochs.dropAgain(key.model());
            });
  }
}
