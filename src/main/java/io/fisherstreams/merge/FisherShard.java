package io.fisherstreams.merge;

import io.fisherstreams.fisher.FisherMoments;
import io.fisherstreams.fisher.InvalidEntry;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.metrics.Meter;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.ShardKey.BatchName;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import io.micrometer.core.instrument.Timer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The Fisher of one shard of one model version, and everything that happens to it. Gradient batches
 * are added to an open epoch; when it has the wanted examples, it is sealed: its sum becomes the
 * Fisher of that epoch, and the next epoch opens if the manifest asks for refinement. A batch with
 * all examples of the first epoch is sealed as it is.
 *
 * <p>The sum of several batches is sent to {@code gradient-batches} as one record when it is
 * sealed, and the batches are retired: from then on the sum is restored like a published Fisher,
 * from one record.
 *
 * <p>A payload is written before the state that names it, and the state has its checksum, so an
 * abort in between leaves nothing that could be mistaken for data. An object is loaded for one
 * record or one step; each public operation saves the state once, unless it says otherwise.
 */
final class FisherShard {
  /** The source of the sums that the stage sends. */
  static final String SEALED_SOURCE = "@sealed";

  private static final Logger LOG = LoggerFactory.getLogger(FisherShard.class);
  private static final Timer SEALING = Meter.SEAL_DURATION.timer();

  private final PartitionContext partition;
  private final KnownModel model;
  private final Slot slot;
  private ShardState state;
  private OpenEpoch open;
  private AppliedBatches applied;

  FisherShard(PartitionContext partition, KnownModel model, Slot slot, ShardState state) {
    this.partition = partition;
    this.model = model;
    this.slot = slot;
    use(state);
  }

  private void use(ShardState newState) {
    state = newState;
    open = new OpenEpoch(partition, model, slot, newState);
    applied = new AppliedBatches(newState);
  }

  /** Loads a shard; one without any batch when nothing has arrived yet. */
  static FisherShard load(PartitionContext partition, KnownModel model, Slot slot) {
    return new FisherShard(partition, model, slot, partition.ledger().shard(model, slot.shard()));
  }

  /** Loads the shard that the key of a gradient batch names, if this partition has its model. */
  static Optional<FisherShard> find(PartitionContext partition, ShardKey key) {
    return partition
        .ledger()
        .heldFisher(key)
        .map(held -> new FisherShard(partition, held.model(), held.slot(), held.state()));
  }

  int elements() {
    return slot.shard().elements();
  }

  /** {@code parameter[index] of model@version}, for messages. */
  @Override
  public String toString() {
    return slot.shard().id() + " of " + model.id();
  }

  private void reload() {
    use(partition.ledger().shard(model, slot.shard()));
  }

  private void save() {
    partition.ledger().put(model, slot.shard(), state);
  }

  private Optional<SealedFisher> newest() {
    return newest(state);
  }

  /** The Fisher of the last sealed epoch. */
  static Optional<SealedFisher> newest(ShardState state) {
    List<SealedFisher> epochs = state.getEpochs();
    return epochs.isEmpty() ? Optional.empty() : Optional.of(epochs.get(epochs.size() - 1));
  }

  /** The Fisher of an epoch, if the state has it. */
  static Optional<SealedFisher> sealed(ShardState state, int epoch) {
    return state.getEpochs().stream().filter(fisher -> fisher.getEpoch() == epoch).findFirst();
  }

  /**
   * The accepted batch of a name; empty when it never arrived, or when it was summed and its record
   * retired.
   */
  Optional<AcceptedBatch> find(BatchName name) {
    for (SealedFisher sealed : state.getEpochs()) {
      if (name.sequence() == sealed.getSequence() && name.source().equals(sealed.getSource())) {
        return Optional.of(AcceptedBatch.of(sealed));
      }
    }
    return applied.contains(name) || applied.isClosed(name) ? open.find(name) : Optional.empty();
  }

  /**
   * Accepts a gradient batch; a repeated one changes nothing.
   *
   * @throws RejectedRecord when the batch does not fit, or its name was used for different content
   */
  static void accept(PartitionContext partition, ShardKey key, long offset, GradientBatch record) {
    BatchName name = key.batch().orElseThrow();
    Optional<FisherShard> held = find(partition, key);
    Optional<AcceptedBatch> accepted = held.flatMap(shard -> shard.find(name));
    if (accepted.isPresent()) {
      held.get().acceptAgain(accepted.get(), name, offset, record);
    } else if (!name.source().equals(SEALED_SOURCE)) {
      KnownModel model = partition.ledger().admit(key.model());
      held.orElseGet(() -> load(partition, model, model.fisherSlot(key.parameter(), key.shard())))
          .acceptNew(name, offset, record);
    } // else a sum of ours that was retired since it was sent
  }

  private void acceptAgain(
      AcceptedBatch accepted, BatchName name, long offset, GradientBatch record) {
    ByteBuffer payload = decode(record);
    if (accepted.isSameAs(record, payload)) {
      Meter.DUPLICATE_BATCHES.counter().increment();
      return;
    }
    if (restore(accepted)) {
      throw otherContent(name);
    }
    // The accepted content is lost, and the shard is empty: this batch is new.
    if (!name.source().equals(SEALED_SOURCE)) {
      partition.ledger().admit(model.version());
      add(record, offset, payload);
    }
  }

  private void acceptNew(BatchName name, long offset, GradientBatch record) {
    ByteBuffer payload = decode(record);
    if (!applied.contains(name) && !applied.isSummed(name)) {
      applied.requireRoom(toString(), name);
      add(record, offset, payload);
      return;
    }
    if (applied.differsFromSummed(record, payload)) {
      throw otherContent(name);
    }
    Meter.DUPLICATE_BATCHES.counter().increment();
    // It was summed and retired: its tombstone must be the newest record of its key again.
    partition.outbox().retireBatch(model.version(), slot.shard(), name.source(), name.sequence());
  }

  private ByteBuffer decode(GradientBatch record) {
    try {
      return partition.scratch().decode(record, elements());
    } catch (InvalidEntry e) {
      throw new RejectedRecord(RejectionKind.VALUES, this + ": " + e.getMessage());
    } catch (IllegalArgumentException e) {
      throw new RejectedRecord(RejectionKind.BATCH, this + ": " + e.getMessage());
    }
  }

  private RejectedRecord otherContent(BatchName name) {
    return new RejectedRecord(
        RejectionKind.OTHER_CONTENT,
        this
            + ": "
            + name
            + " came before with other content; send other content under a new sequence");
  }

  /** Adds a batch whose name is new; with it, the open epoch may be folded or sealed. */
  private void add(GradientBatch record, long offset, ByteBuffer payload) {
    while (isSumDue(record.getExamples()) && !open.restore(newest())) {
      reload(); // this shard or another one was lost, and has none of its batches now
    }
    if (isWholeEpoch(record.getExamples())) {
      sealWhole(record, offset, payload);
      return;
    }
    boolean isComplete = open.examples() + record.getExamples() >= wanted();
    int crc = write(PayloadName.open(state.getOpen().size()), payload);
    state
        .getOpen()
        .add(
            new OpenBatch(
                record.getSource(),
                record.getSequence(),
                record.getExamples(),
                offset,
                AcceptedBatch.multiplier(record),
                crc));
    applied.add(record.getSource(), record.getSequence());
    if (isComplete) {
      seal(offset);
    } else if (open.isFull()) {
      open.fold();
    }
    save();
    if (isComplete) {
      countSealed();
    }
  }

  private void countSealed() {
    boolean isLast = partition.ledger().countSealed(model, newest().orElseThrow().getEpoch());
    if (isLast && !isAnyShardOpen()) {
      partition.sums().drop(model.version());
    }
  }

  /** How many examples the open epoch needs. */
  private long wanted() {
    ModelManifest manifest = model.manifest();
    if (state.getEpochs().isEmpty()) {
      return manifest.getExamples();
    }
    if (manifest.getRefineEvery() <= 0) {
      throw new RejectedRecord(
          RejectionKind.NOT_WANTED,
          model.id()
              + " has its "
              + manifest.getExamples()
              + " examples and accepts no more (refineEvery is 0)");
    }
    return manifest.getRefineEvery();
  }

  /** Whether a batch has all examples of the first epoch. */
  private boolean isWholeEpoch(long examples) {
    return examples >= wanted() && state.getEpochs().isEmpty() && open.isEmpty();
  }

  /** Whether any shard of this version has batches of an unsealed epoch. */
  private boolean isAnyShardOpen() {
    return model.fisher().slots().stream()
        .anyMatch(other -> !load(partition, model, other).open.isEmpty());
  }

  /** Whether the open epoch is folded or sealed with a batch of so many examples. */
  private boolean isSumDue(long examples) {
    return (open.examples() + examples >= wanted() && !isWholeEpoch(examples))
        || open.isAlmostFull();
  }

  private int write(PayloadName name, ByteBuffer payload) {
    return partition
        .payloads()
        .file(model.version(), name)
        .write(slot.ordinal(), slot.firstElement() * Float.BYTES, payload);
  }

  private void sealWhole(GradientBatch record, long offset, ByteBuffer payload) {
    long start = System.nanoTime();
    int crc = write(PayloadName.fisher(1), payload);
    applied.add(record.getSource(), record.getSequence());
    double divisor = record.getExamples() / AcceptedBatch.multiplier(record);
    float[] values = partition.scratch().values();
    payload.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values, 0, elements());
    FisherMoments moments = FisherMoments.of(values, elements(), divisor);
    addEpoch(
        1,
        (double) record.getExamples(),
        divisor,
        crc,
        moments,
        record.getSource(),
        record.getSequence(),
        offset);
    save();
    SEALING.record(System.nanoTime() - start, TimeUnit.NANOSECONDS);
    partition.ledger().countSealed(model, 1);
  }

  /** Seals the open epoch as one sum; its payloads are available. */
  private void seal(long offset) {
    long start = System.nanoTime();
    Optional<SealedFisher> previous = newest();
    double decay = model.manifest().getDecay();
    double examples =
        open.examples() + previous.map(epoch -> decay * epoch.getExamples()).orElse(0.0);
    int epoch = previous.map(SealedFisher::getEpoch).orElse(0) + 1;
    float[] sum = partition.scratch().values();
    open.sum(previous, decay, sum);
    requireFinite(sum);
    ByteBuffer payload = partition.scratch().encode(elements());
    int crc = write(PayloadName.fisher(epoch), payload);
    FisherMoments moments = FisherMoments.of(sum, elements(), examples);
    send(
        new BatchName(SEALED_SOURCE, epoch),
        Math.max(1, Math.round(examples)),
        Encoding.SQUARED_SUM,
        payload.duplicate());
    List<OpenBatch> batches = open.batches();
    retireBatches(batches);
    addEpoch(epoch, examples, examples, crc, moments, SEALED_SOURCE, epoch, offset);
    applied.rememberSummed(batches);
    open.clear();
    SEALING.record(System.nanoTime() - start, TimeUnit.NANOSECONDS);
  }

  private void addEpoch(
      int epoch,
      double examples,
      double divisor,
      int crc,
      FisherMoments moments,
      String source,
      long sequence,
      long offset) {
    state
        .getEpochs()
        .add(
            new SealedFisher(
                epoch,
                examples,
                divisor,
                crc,
                moments.total(),
                moments.squares(),
                source,
                sequence,
                offset));
  }

  /** Rejects the batch with which the sum leaves float32. */
  private void requireFinite(float[] sum) {
    for (int j = 0; j < elements(); j++) {
      if (Float.isInfinite(sum[j])) {
        throw new RejectedRecord(
            RejectionKind.VALUES,
            this + ": with this batch the sum of element " + j + " is beyond float32");
      }
    }
  }

  private void send(BatchName name, long examples, Encoding encoding, ByteBuffer payload) {
    Shard shard = slot.shard();
    partition
        .outbox()
        .gradientBatch(
            new GradientBatch(
                model.version().model(),
                model.version().version(),
                shard.tensor().name(),
                shard.index(),
                name.source(),
                name.sequence(),
                examples,
                encoding,
                ByteBuffer.allocate(0),
                payload));
  }

  /**
   * Restores the payload of an accepted batch if its local copy is missing.
   *
   * @return whether it is available now; otherwise it is lost, and the shard is empty
   */
  boolean restore(AcceptedBatch accepted) {
    Recovery.RestoreRequest request = partition.recovery().request();
    if (accepted.sealed() != null) {
      request.needFisher(model, slot, accepted.sealed());
    } else {
      request.needBatches(model, slot, List.of(accepted.open()), position -> accepted.file());
    }
    boolean isAvailable = request.run();
    if (!isAvailable) {
      reload();
    }
    return isAvailable;
  }

  /** Sends the accepted batch of a name again, dense, unless it is lost. */
  void resend(BatchName name) {
    Optional<AcceptedBatch> found = find(name);
    if (found.isEmpty() || !restore(found.get())) {
      return;
    }
    AcceptedBatch accepted = found.get();
    ByteBuffer payload =
        partition
            .payloads()
            .file(model.version(), accepted.file())
            .read(slot.firstElement() * Float.BYTES, elements() * Float.BYTES);
    send(name, accepted.examples(), accepted.encoding(), payload);
    partition.sums().dropAgain(model.version());
  }

  /**
   * Empties a shard that has lost a payload, so that {@code status} shows it missing and a
   * publisher may send it again. Saves the state.
   */
  void lose() {
    if (state.getEpochs().isEmpty() && open.isEmpty()) {
      return; // another of its batches was lost before
    }
    LOG.error(
        "partition {}: the Fisher of shard {} is gone from its topic; publish the model again",
        partition.ledger().partition(),
        this);
    partition.ledger().countLostFisher(model, newest().map(SealedFisher::getEpoch).orElse(0));
    removeLost();
    state.setEpochs(new ArrayList<>());
    open.clear();
    applied.clear();
    save();
  }

  /** What is left of a lost shard's records would stay: from here on no state names them. */
  private void removeLost() {
    Outbox outbox = partition.outbox();
    for (SealedFisher sealed : state.getEpochs()) {
      outbox.removeLost(model.version(), slot.shard(), sealed.getSource(), sealed.getSequence());
    }
    for (OpenBatch batch : open.batches()) {
      outbox.removeLost(model.version(), slot.shard(), batch.getSource(), batch.getSequence());
    }
  }

  private void retireBatches(List<OpenBatch> batches) {
    for (OpenBatch batch : batches) {
      partition
          .outbox()
          .retireBatch(model.version(), slot.shard(), batch.getSource(), batch.getSequence());
    }
  }

  private void retire(SealedFisher fisher) {
    partition
        .outbox()
        .retireBatch(model.version(), slot.shard(), fisher.getSource(), fisher.getSequence());
  }

  /** Retires the epochs before one that a plan has merged, and saves the state. */
  void retireBefore(int epoch) {
    List<SealedFisher> kept = new ArrayList<>();
    for (SealedFisher sealed : state.getEpochs()) {
      if (sealed.getEpoch() < epoch) {
        retire(sealed);
      } else {
        kept.add(sealed);
      }
    }
    if (kept.size() < state.getEpochs().size()) {
      state.setEpochs(kept);
      save();
    }
  }

  /** Retires all records that are in use and deletes the folds; the state is not saved. */
  void retireAll() {
    state.getEpochs().forEach(this::retire);
    retireBatches(open.batches());
    open.clear();
  }
}
