package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.Optional;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The checkpoint of one shard of one model version, as {@link FisherShard} is its Fisher. An object
 * is loaded for one record.
 */
final class ShardCheckpoint {
  private static final Logger LOG = LoggerFactory.getLogger(ShardCheckpoint.class);

  private final PartitionContext partition;
  private final KnownModel model;
  private final Slot slot;
  private ShardState state;

  private ShardCheckpoint(
      PartitionContext partition, KnownModel model, Slot slot, ShardState state) {
    this.partition = partition;
    this.model = model;
    this.slot = slot;
    this.state = state;
  }

  /** Loads a shard, accepted or not. */
  static ShardCheckpoint load(PartitionContext partition, KnownModel model, Slot slot) {
    return new ShardCheckpoint(
        partition, model, slot, partition.ledger().shard(model, slot.shard()));
  }

  /** Loads the shard that the key of a checkpoint shard names, if this partition has its model. */
  static Optional<ShardCheckpoint> find(PartitionContext partition, ShardKey key) {
    return partition
        .ledger()
        .heldCheckpoint(key)
        .map(held -> new ShardCheckpoint(partition, held.model(), held.slot(), held.state()));
  }

  Shard shard() {
    return slot.shard();
  }

  /** {@code parameter[index] of model@version}, for messages. */
  @Override
  public String toString() {
    return slot.shard().id() + " of " + model.id();
  }

  /**
   * Whether no element may be infinite: no weight makes an infinite element of a merged parameter
   * finite. A base may have them, in a mask that is not merged.
   */
  boolean mustBeFinite() {
    return model.manifest().getRole() == Role.FINE_TUNED
        && model.fisher().slot(slot.shard().tensor().name(), slot.shard().index()) != null;
  }

  private PayloadFile file() {
    return partition.payloads().file(model.version(), PayloadName.CHECKPOINT);
  }

  boolean isAccepted() {
    return state.getCheckpointOffset() >= 0;
  }

  /** Whether the accepted payload has the same content. */
  boolean isSameAs(ByteBuffer data) {
    return state.getCheckpointCrc() == PayloadFile.crc(data);
  }

  /** Accepts a payload, and saves the state. */
  void accept(long offset, ByteBuffer data) {
    state.setCheckpointCrc(file().write(slot.ordinal(), slot.firstByte(), data));
    state.setCheckpointOffset(offset);
    partition.ledger().put(model, slot.shard(), state);
    partition.ledger().countPresent(model);
  }

  /**
   * Writes the accepted payload, which has arrived again, if its local copy is missing and all are
   * kept.
   */
  void acceptAgain(ByteBuffer data) {
    if (partition.local() != LocalPayloads.ALL) {
      return;
    }
    PayloadFile file = file();
    if (!file.holds(slot.ordinal(), slot.firstByte(), data.remaining(), state.getCheckpointCrc())) {
      file.write(slot.ordinal(), slot.firstByte(), data);
    }
  }

  /**
   * Restores the accepted payload if its local copy is missing.
   *
   * @return whether it is available now; otherwise it is lost, and the shard is not accepted
   */
  boolean restore() {
    Recovery.RestoreRequest request = partition.recovery().request();
    request.needCheckpoint(model, slot, state);
    boolean isAvailable = request.run();
    if (!isAvailable) {
      state = partition.ledger().shard(model, slot.shard());
    }
    return isAvailable;
  }

  /** Sends the accepted shard again, unless it is lost. */
  void resend() {
    if (isAccepted() && restore()) {
      partition
          .outbox()
          .checkpointShard(
              new CheckpointShard(
                  model.version().model(),
                  model.version().version(),
                  slot.shard().tensor().name(),
                  slot.shard().index(),
                  file().read(slot.firstByte(), slot.shard().bytes())));
    }
  }

  /**
   * Marks a shard whose payload is lost as not accepted, so that {@code status} shows it missing
   * and a publisher may send it again. Saves the state.
   */
  void lose() {
    if (isAccepted()) {
      LOG.error(
          "partition {}: checkpoint shard {} is gone from its topic; publish the model again",
          partition.ledger().partition(),
          this);
      state.setCheckpointOffset(-1);
      partition.ledger().put(model, slot.shard(), state);
      partition.ledger().countLostCheckpoint(model);
    }
  }
}
