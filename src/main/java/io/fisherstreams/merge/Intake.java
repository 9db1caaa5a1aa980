package io.fisherstreams.merge;

import io.fisherstreams.fisher.FisherMoments;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Optional;
import java.util.function.BiConsumer;

/**
 * Takes checkpoint shards and gradient batches in: checks them, copies their payloads to local
 * files, accumulates the Fisher, and seals it as an epoch when the wanted examples are there. A
 * payload is written before the state that names it, and the state carries its checksum, so an
 * abort in between leaves nothing that could be mistaken for data.
 *
 * <p>Batches of an open epoch wait in {@link OpenEpochs} and are summed when it is sealed. A sealed
 * sum of several batches is sent to {@code gradient-batches} once more, as one record, and the
 * batches are retired: from then on it is restored like a published Fisher, from one record.
 *
 * <p>What is refused under the key of an accepted payload is answered by {@link AcceptedPayloads}.
 */
final class Intake {
  /** The source under which the stage sends its own sums. */
  static final String SEALED_SOURCE = "@sealed";

  static final String CHECKPOINT = "checkpoint";

  private final Ledger ledger;
  private final PartitionPayloads payloads;
  private final OpenEpochs openEpochs;
  private final AcceptedPayloads accepted;
  private final BiConsumer<ShardKey, GradientBatch> gradientBatches;
  private final float[] values = new float[Shard.ELEMENTS];
  private final double[] doubles = new double[Shard.ELEMENTS];
  private final ByteBuffer bytes =
      ByteBuffer.allocateDirect(Shard.ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);

  /**
   * An intake of one partition.
   *
   * @param gradientBatches sends a record, or a tombstone, to topic {@code gradient-batches}
   */
  Intake(
      Ledger ledger,
      PartitionPayloads payloads,
      OpenEpochs openEpochs,
      AcceptedPayloads accepted,
      BiConsumer<ShardKey, GradientBatch> gradientBatches) {
    this.ledger = ledger;
    this.payloads = payloads;
    this.openEpochs = openEpochs;
    this.accepted = accepted;
    this.gradientBatches = gradientBatches;
  }

  static String fisherFile(int epoch) {
    return "fisher-" + epoch;
  }

  /** Takes a checkpoint shard in; refuses it with {@link RejectedRecord}. */
  void checkpoint(String key, long offset, CheckpointShard record) {
    ShardKey identity =
        ShardKey.of(
            record.getModel(), record.getVersion(), record.getParameter(), record.getShard());
    requireKey(key, identity);
    Optional<AcceptedPayloads.Held> held = accepted.checkpointShard(identity);
    Optional<AcceptedPayloads.Held> before = held.filter(AcceptedPayloads.Held::hasCheckpoint);
    KnownModel model =
        before.isPresent()
            ? before.get().model()
            : ledger.admit(record.getModel(), record.getVersion());
    Slot slot = model.checkpointSlot(record.getParameter(), record.getShard());
    ByteBuffer data = record.getData();
    checkCheckpoint(slot.shard(), data);
    PayloadFile file = payloads.file(model.model(), model.version(), CHECKPOINT);
    if (before.isPresent()) {
      int crc = before.get().state().getCheckpointCrc();
      if (crc == PayloadFile.crc(data)) {
        if (!file.holds(slot.ordinal(), slot.firstByte(), data.remaining(), crc)) {
          file.write(slot.ordinal(), slot.firstByte(), data);
        }
        return;
      }
      if (!accepted.isAtHand(before.get())) {
        checkpoint(key, offset, record); // nothing was accepted any more
        return;
      }
      throw new RejectedRecord(
          slot.shard().id()
              + " of "
              + model.id()
              + " came before with other content; publish changed content as a new version");
    }
    ShardState state = state(held, model, slot);
    state.setCheckpointCrc(file.write(slot.ordinal(), slot.firstByte(), data));
    state.setCheckpointOffset(offset);
    ledger.put(model, slot.shard(), state);
    ledger.countPresent(model);
  }

  /** A shard's state, read once: it was looked up under the record's key, if it is held. */
  private ShardState state(Optional<AcceptedPayloads.Held> held, KnownModel model, Slot slot) {
    return held.map(AcceptedPayloads.Held::state)
        .orElseGet(() -> ledger.shard(model, slot.shard()));
  }

  private static void checkCheckpoint(Shard shard, ByteBuffer data) {
    if (data.remaining() != shard.bytes()) {
      throw new RejectedRecord(
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
    if (shard.tensor().dtype().mergeable()) {
      long bad = FloatScan.firstNaN(shard.tensor().dtype(), data, shard.elements());
      if (bad >= 0) {
        throw new RejectedRecord(shard.id() + ": element " + bad + " is NaN");
      }
    }
  }

  private static void requireKey(String found, ShardKey expected) {
    if (!expected.toString().equals(found)) {
      throw new RejectedRecord("key is '" + found + "', expected '" + expected + "'");
    }
  }

  /** Takes a gradient batch in; refuses it with {@link RejectedRecord}. */
  void gradientBatch(String key, long offset, GradientBatch record) {
    ShardKey identity = key(record);
    requireKey(key, identity);
    boolean isSealed = record.getSource().equals(SEALED_SOURCE);
    if (record.getSource().startsWith("@")
        && !isSealed
        && !record.getSource().startsWith(ShardKey.GRADIENT_SOURCE)) {
      throw new RejectedRecord(
          "source '" + record.getSource() + "': names with '@' belong to the pipeline");
    }
    if (record.getExamples() < 1) {
      throw new RejectedRecord("examples is " + record.getExamples() + ", expected at least 1");
    }
    Optional<AcceptedPayloads.Held> held = accepted.fisherShard(identity);
    Optional<AcceptedPayloads.Batch> before =
        held.flatMap(shard -> accepted.batch(shard, identity));
    if (isSealed && before.isEmpty()) {
      return; // a sum of ours that is retired by now
    }
    KnownModel model =
        before.isPresent()
            ? before.get().shard().model()
            : ledger.admit(record.getModel(), record.getVersion());
    Slot slot = model.fisherSlot(record.getParameter(), record.getShard());
    int elements = slot.shard().elements();
    ByteBuffer payload = decode(record, elements);
    if (before.isPresent()) {
      if (before.get().isSameAs(record, payload)) {
        return;
      }
      if (!accepted.isAtHand(before.get())) {
        gradientBatch(key, offset, record); // nothing was accepted any more
        return;
      }
      throw otherContent(model, slot, record);
    }
    ShardState state = state(held, model, slot);
    if (AppliedSequences.contains(state.getApplied(), record.getSource(), record.getSequence())) {
      // It has gone into a sum and is retired: its tombstone must be the newest of its key again.
      retire(model, slot.shard(), record.getSource(), record.getSequence());
      if (SummedBatches.differs(state.getSummed(), record, PayloadFile.crc(payload))) {
        throw otherContent(model, slot, record);
      }
      return;
    }
    long wanted = wanted(model.manifest(), state);
    boolean alone =
        state.getEpochs().isEmpty() && !Ledger.hasOpen(state) && record.getExamples() >= wanted;
    long examples = record.getExamples() + state.getFoldedExamples();
    for (OpenBatch batch : state.getOpen()) {
      examples += batch.getExamples();
    }
    boolean seals = !alone && examples >= wanted;
    boolean folds = OpenEpochs.isFoldDue(state);
    if ((seals || folds) && !accepted.isAtHand(model, slot, state)) {
      gradientBatch(key, offset, record);
      return;
    }
    String name = alone ? fisherFile(1) : OpenEpochs.openFile(state.getOpen().size());
    PayloadFile file = payloads.file(model.model(), model.version(), name);
    int crc = file.write(slot.ordinal(), slot.firstElement() * Float.BYTES, payload);
    double multiplier = multiplier(record);
    AppliedSequences.add(state.getApplied(), record.getSource(), record.getSequence());
    if (alone) {
      double divisor = record.getExamples() / multiplier;
      payload.order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer().get(values, 0, elements);
      FisherMoments moments = FisherMoments.of(values, elements, divisor);
      state
          .getEpochs()
          .add(
              new SealedFisher(
                  1,
                  (double) record.getExamples(),
                  divisor,
                  crc,
                  moments.total(),
                  moments.squares(),
                  record.getSource(),
                  record.getSequence(),
                  offset));
      ledger.put(model, slot.shard(), state);
      ledger.countSealed(model, 1);
      return;
    }
    state
        .getOpen()
        .add(
            new OpenBatch(
                record.getSource(),
                record.getSequence(),
                record.getExamples(),
                offset,
                multiplier,
                crc));
    if (seals) {
      seal(model, slot, state, examples, offset);
    } else if (folds) {
      openEpochs.fold(model, slot, state);
    }
    ledger.put(model, slot.shard(), state);
    if (seals && ledger.countSealed(model, last(state).getEpoch()) && !ledger.hasOpen(model)) {
      openEpochs.drop(model);
    }
  }

  static double multiplier(GradientBatch record) {
    return record.getEncoding() == Encoding.MEAN_SQUARE ? record.getExamples() : 1;
  }

  private static RejectedRecord otherContent(KnownModel model, Slot slot, GradientBatch record) {
    return new RejectedRecord(
        slot.shard().id()
            + " of "
            + model.id()
            + ": "
            + record.getSource()
            + "#"
            + record.getSequence()
            + " came before with other content; send other content under a new sequence");
  }

  private static ShardKey key(GradientBatch record) {
    return ShardKey.of(
        record.getModel(),
        record.getVersion(),
        record.getParameter(),
        record.getShard(),
        record.getSource(),
        record.getSequence());
  }

  private static SealedFisher last(ShardState state) {
    return state.getEpochs().get(state.getEpochs().size() - 1);
  }

  private static long wanted(ModelManifest manifest, ShardState state) {
    if (state.getEpochs().isEmpty()) {
      return manifest.getExamples();
    }
    if (manifest.getRefineEvery() <= 0) {
      throw new RejectedRecord(
          manifest.getModel()
              + "@"
              + manifest.getVersion()
              + " has its "
              + manifest.getExamples()
              + " examples and takes no more (refineEvery is 0)");
    }
    return manifest.getRefineEvery();
  }

  /** The batch's squares, as the payload of a local file. */
  private ByteBuffer decode(GradientBatch record, int elements) {
    try {
      return BatchPayload.decode(record, elements, doubles, values, bytes);
    } catch (IllegalArgumentException e) {
      throw new RejectedRecord(
          Shard.id(record.getParameter(), record.getShard())
              + " of "
              + KnownModel.id(record.getModel(), record.getVersion())
              + ": "
              + e.getMessage());
    }
  }

  private void seal(KnownModel model, Slot slot, ShardState state, long newExamples, long offset) {
    int elements = slot.shard().elements();
    Optional<SealedFisher> previous =
        state.getEpochs().isEmpty() ? Optional.empty() : Optional.of(last(state));
    double decay = model.manifest().getDecay();
    double examples = newExamples + previous.map(epoch -> decay * epoch.getExamples()).orElse(0.0);
    int epoch = previous.map(SealedFisher::getEpoch).orElse(0) + 1;
    openEpochs.sum(model, slot, state, previous, values);
    requireFinite(model, slot.shard());
    int crc =
        payloads
            .file(model.model(), model.version(), fisherFile(epoch))
            .write(
                slot.ordinal(),
                slot.firstElement() * Float.BYTES,
                BatchPayload.encode(values, elements, bytes));
    FisherMoments moments = FisherMoments.of(values, elements, examples);
    Shard shard = slot.shard();
    gradientBatches.accept(
        ShardKey.of(
            model.model(),
            model.version(),
            shard.tensor().name(),
            shard.index(),
            SEALED_SOURCE,
            epoch),
        new GradientBatch(
            model.model(),
            model.version(),
            shard.tensor().name(),
            shard.index(),
            SEALED_SOURCE,
            (long) epoch,
            Math.max(1, Math.round(examples)),
            Encoding.SQUARED_SUM,
            ByteBuffer.allocate(0),
            bytes.duplicate()));
    List<OpenBatch> batches = ledger.openBatches(model, shard, state);
    for (OpenBatch batch : batches) {
      retire(model, shard, batch.getSource(), batch.getSequence());
    }
    state
        .getEpochs()
        .add(
            new SealedFisher(
                epoch,
                examples,
                examples,
                crc,
                moments.total(),
                moments.squares(),
                SEALED_SOURCE,
                (long) epoch,
                offset));
    SummedBatches.add(state.getSummed(), batches);
    ledger.clearOpen(model, shard, state);
  }

  /** Refuses the batch with which the sum leaves float32. */
  private void requireFinite(KnownModel model, Shard shard) {
    for (int j = 0; j < shard.elements(); j++) {
      if (Float.isInfinite(values[j])) {
        throw new RejectedRecord(
            shard.id()
                + " of "
                + model.id()
                + ": with this batch the sum of element "
                + j
                + " is beyond float32");
      }
    }
  }

  /** Writes the tombstone of a gradient batch. */
  void retire(KnownModel model, Shard shard, String source, long sequence) {
    gradientBatches.accept(
        ShardKey.of(
            model.model(), model.version(), shard.tensor().name(), shard.index(), source, sequence),
        null);
  }
}
