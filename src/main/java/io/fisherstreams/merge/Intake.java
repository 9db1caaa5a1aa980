package io.fisherstreams.merge;

import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.Shard;
import io.micrometer.core.instrument.Counter;
import java.nio.ByteBuffer;
import java.util.Locale;
import java.util.Optional;

/**
 * Accepts checkpoint shards and gradient batches, or rejects them with {@link RejectedRecord}. A
 * repeated record changes nothing.
 *
 * <p>Payloads are restored from the topics, where log compaction keeps the newest record of a key.
 * A rejected record must not stay the newest under the key of an accepted payload: compaction would
 * delete the good one, so the partition sends that again.
 */
final class Intake {
  private final Counter shards = Meter.CHECKPOINT_SHARDS.counter();
  private final Counter shardBytes = Meter.CHECKPOINT_BYTES.counter();
  private final Counter batches = Meter.GRADIENT_BATCHES.counter();
  private final Counter batchBytes = Meter.GRADIENT_BYTES.counter();
  private final PartitionContext partition;

  Intake(PartitionContext partition) {
    this.partition = partition;
    // They are shown before they count anything.
    Meter.DUPLICATE_BATCHES.counter();
    Meter.PAYLOADS_READ.counter();
    Meter.SUMS_READ.counter();
  }

  /** Accepts a checkpoint shard. */
  void checkpoint(String key, long offset, CheckpointShard record) {
    ShardKey identity = ShardKey.of(record);
    requireKey(key, identity);
    Optional<ShardCheckpoint> held = ShardCheckpoint.find(partition, identity);
    ShardCheckpoint shard =
        held.isPresent() && held.get().isAccepted() ? held.get() : admit(identity, held);
    ByteBuffer data = record.getData();
    requireCheckpoint(shard, data);
    if (shard.isAccepted()) {
      if (shard.isSameAs(data)) {
        shard.acceptAgain(data);
        countShard(data);
        return;
      }
      if (shard.restore()) {
        throw new RejectedRecord(
            RejectionKind.OTHER_CONTENT,
            shard + " came before with other content; publish changed content as a new version");
      }
      partition.ledger().admit(identity.model()); // the accepted content is lost: this is new
    }
    shard.accept(offset, data);
    countShard(data);
  }

  private void countShard(ByteBuffer data) {
    shards.increment();
    shardBytes.increment(data.remaining());
  }

  private ShardCheckpoint admit(ShardKey key, Optional<ShardCheckpoint> held) {
    KnownModel model = partition.ledger().admit(key.model());
    return held.orElseGet(
        () ->
            ShardCheckpoint.load(
                partition, model, model.checkpointSlot(key.parameter(), key.shard())));
  }

  private static void requireCheckpoint(ShardCheckpoint checkpoint, ByteBuffer data) {
    Shard shard = checkpoint.shard();
    if (data.remaining() != shard.bytes()) {
      throw new RejectedRecord(
          RejectionKind.MANIFEST,
          shard.id()
              + " has "
              + data.remaining()
              + " bytes, expected "
              + shard.bytes()
              + " ("
              + shard.elements()
              + " "
              + shard.tensor().dtype()
              + ")");
    }
    DType dtype = shard.tensor().dtype();
    if (dtype.mergeable()) {
      boolean mustBeFinite = checkpoint.mustBeFinite();
      long bad =
          mustBeFinite
              ? FloatScan.firstNotFinite(dtype, data, shard.elements())
              : FloatScan.firstNaN(dtype, data, shard.elements());
      if (bad >= 0) {
        throw new RejectedRecord(
            RejectionKind.VALUES,
            shard.id() + ": element " + bad + (mustBeFinite ? " is NaN or infinite" : " is NaN"));
      }
    }
  }

  private static void requireKey(String found, ShardKey expected) {
    if (!expected.toString().equals(found)) {
      throw new RejectedRecord(
          RejectionKind.KEY, "key is '" + found + "', expected '" + expected + "'");
    }
  }

  /** Accepts a gradient batch. */
  void gradientBatch(String key, long offset, GradientBatch record) {
    ShardKey identity = ShardKey.of(record);
    requireKey(key, identity);
    requireSource(record);
    FisherShard.accept(partition, identity, offset, record);
    batches.increment();
    batchBytes.increment(record.getData().remaining() + record.getIndices().remaining());
  }

  private static void requireSource(GradientBatch record) {
    String source = record.getSource();
    if (source.startsWith("@")
        && !source.equals(FisherShard.SEALED_SOURCE)
        && !source.startsWith(ShardKey.GRADIENT_SOURCE)) {
      throw new RejectedRecord(
          RejectionKind.BATCH,
          "source '" + source + "': names that begin with '@' are reserved for the pipeline");
    }
    if (source.length() > Limits.MAX_LABEL_LENGTH) {
      throw new RejectedRecord(
          RejectionKind.LIMIT,
          String.format(
              Locale.ROOT,
              "source has %d characters, at most %d are accepted",
              source.length(),
              Limits.MAX_LABEL_LENGTH));
    }
    if (record.getExamples() < 1) {
      throw new RejectedRecord(
          RejectionKind.BATCH, "examples is " + record.getExamples() + ", expected at least 1");
    }
  }

  /** Whether a tombstone of this checkpoint shard would delete an accepted payload. */
  boolean isCheckpointInUse(ShardKey key) {
    return ShardCheckpoint.find(partition, key).filter(ShardCheckpoint::isAccepted).isPresent();
  }

  /** Whether a tombstone of this gradient batch would delete an accepted payload. */
  boolean isBatchInUse(ShardKey key) {
    return key.batch()
        .flatMap(name -> FisherShard.find(partition, key).flatMap(shard -> shard.find(name)))
        .isPresent();
  }

  /** Sends the checkpoint shard again that was accepted under a key. */
  void resendCheckpoint(ShardKey key) {
    ShardCheckpoint.find(partition, key).ifPresent(ShardCheckpoint::resend);
  }

  /** Sends the gradient batch again that was accepted under a key. */
  void resendBatch(ShardKey key) {
    key.batch()
        .ifPresent(name -> FisherShard.find(partition, key).ifPresent(shard -> shard.resend(name)));
  }
}
