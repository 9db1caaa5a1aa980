package io.fisherstreams.merge;

import io.fisherstreams.fisher.FisherMoments;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.AppliedSource;
import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.merge.state.SummedBatch;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Runs;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.ShardKey.BatchName;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;

/**
 * The Fisher of one shard of one model version, and everything that happens to it. Gradient batches
 * are added to an open epoch; when it has the wanted examples, it is sealed: its sum becomes the
 * Fisher of that epoch, and the next epoch opens if the manifest asks for refinement. A batch with
 * all examples of the first epoch is sealed as it is.
 *
 * <p>Batches of an open epoch are kept in local files one by one and listed in the shard's state.
 * Every {@value OpenEpochs#MAX_OPEN} of them are folded into a partial sum and listed in a store of
 * their own. The sum of several batches is sent to {@code gradient-batches} as one record when it
 * is sealed, and the batches are retired: from then on the sum is restored like a published Fisher,
 * from one record.
 *
 * <p>A payload is written before the state that names it, and the state has its checksum, so an
 * abort in between leaves nothing that could be mistaken for data. An object is loaded for one
 * record or one step, and every method that changes the state says whether it saves it.
 */
final class FisherShard {
  /** The source of the sums that the stage sends. */
  static final String SEALED_SOURCE = "@sealed";

  /**
   * Summed batches that a shard remembers: 25 bytes each, in every changelog entry of its state.
   */
  static final int MAX_SUMMED = 64;

  private static final Logger LOG = LoggerFactory.getLogger(FisherShard.class);

  private final PartitionContext partition;
  private final KnownModel model;
  private final Slot slot;
  private ShardState state;

  FisherShard(PartitionContext partition, KnownModel model, Slot slot, ShardState state) {
    this.partition = partition;
    this.model = model;
    this.slot = slot;
    this.state = state;
  }

  /** Loads a shard; one without any batch when nothing has arrived yet. */
  static FisherShard load(PartitionContext partition, KnownModel model, Slot slot) {
    return new FisherShard(partition, model, slot, partition.ledger().shard(model, slot.shard()));
  }

  /** Loads the shard that the key of a gradient batch names, if this partition has its model. */
  static Optional<FisherShard> find(PartitionContext partition, ShardKey key) {
    Optional<KnownModel> model = partition.ledger().held(key.model());
    Slot slot = model.isEmpty() ? null : model.get().fisher().slot(key.parameter(), key.shard());
    return slot == null ? Optional.empty() : Optional.of(load(partition, model.get(), slot));
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
    state = partition.ledger().shard(model, slot.shard());
  }

  private void save() {
    partition.ledger().put(model, slot.shard(), state);
  }

  private String foldKey(int fold) {
    return Ledger.key(model, slot.shard()) + "#" + fold;
  }

  /** The batches of one fold, counted from 0. */
  private List<OpenBatch> folded(int fold) {
    return partition.folded().get(foldKey(fold)).getBatches();
  }

  /** All batches of the open epoch, in the order of arrival. */
  private List<OpenBatch> openBatches() {
    List<OpenBatch> batches = new ArrayList<>();
    for (int fold = 0; fold < state.getFolds(); fold++) {
      batches.addAll(folded(fold));
    }
    batches.addAll(state.getOpen());
    return batches;
  }

  /** The examples in the open epoch. */
  private long openExamples() {
    long examples = state.getFoldedExamples();
    for (OpenBatch batch : state.getOpen()) {
      examples += batch.getExamples();
    }
    return examples;
  }

  private boolean hasOpen() {
    return hasOpen(state);
  }

  private static boolean hasOpen(ShardState state) {
    return state.getFolds() > 0 || !state.getOpen().isEmpty();
  }

  /** Whether any shard of this version has batches of an unsealed epoch. */
  private boolean isAnyShardOpen() {
    return model.fisher().slots().stream()
        .anyMatch(other -> hasOpen(partition.ledger().shard(model, other.shard())));
  }

  private Optional<SealedFisher> newest() {
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
    if (!isApplied(name)) {
      return Optional.empty();
    }
    Optional<AcceptedBatch> found = find(name, state.getOpen(), PayloadName::open);
    for (int fold = 0; fold < state.getFolds() && found.isEmpty(); fold++) {
      found = find(name, folded(fold), position -> PayloadName.again(0));
    }
    return found;
  }

  private static Optional<AcceptedBatch> find(
      BatchName name, List<OpenBatch> batches, IntFunction<PayloadName> file) {
    for (int i = 0; i < batches.size(); i++) {
      OpenBatch batch = batches.get(i);
      if (name.sequence() == batch.getSequence() && name.source().equals(batch.getSource())) {
        return Optional.of(AcceptedBatch.of(file.apply(i), batch));
      }
    }
    return Optional.empty();
  }

  /** Whether a batch of this name has been added since the shard was empty. */
  boolean isApplied(BatchName name) {
    for (AppliedSource applied : state.getApplied()) {
      if (applied.getSource().equals(name.source())) {
        return Runs.contains(applied.getRanges(), name.sequence());
      }
    }
    return false;
  }

  /** Records a batch as added, as runs of sequences: a source that counts up needs one run. */
  void markApplied(String source, long sequence) {
    for (AppliedSource applied : state.getApplied()) {
      if (applied.getSource().equals(source)) {
        applied.setRanges(Runs.with(applied.getRanges(), sequence));
        return;
      }
    }
    state.getApplied().add(new AppliedSource(source, new ArrayList<>(List.of(sequence, sequence))));
  }

  /** Whether a summed batch of the record's name is remembered, and had different content. */
  boolean differsFromSummed(GradientBatch record, ByteBuffer payload) {
    int content =
        content(PayloadFile.crc(payload), record.getExamples(), AcceptedBatch.multiplier(record));
    return state.getSummed().stream()
        .filter(batch -> batch.getSource().equals(record.getSource()))
        .filter(batch -> batch.getSequence() == record.getSequence())
        .anyMatch(batch -> batch.getContent() != content);
  }

  /**
   * Remembers the checksums of summed batches, the newest {@value #MAX_SUMMED}: their records are
   * retired, and a repeated batch must be distinguished from different content.
   */
  private void rememberSummed(List<OpenBatch> batches) {
    List<SummedBatch> summed = state.getSummed();
    for (OpenBatch batch : batches) {
      summed.add(
          new SummedBatch(
              batch.getSource(),
              batch.getSequence(),
              content(batch.getCrc(), batch.getExamples(), batch.getMultiplier())));
    }
    summed.subList(0, Math.max(0, summed.size() - MAX_SUMMED)).clear();
  }

  private static int content(int crc, long examples, double multiplier) {
    ByteBuffer bytes = ByteBuffer.allocate(Integer.BYTES + Long.BYTES + Double.BYTES);
    return PayloadFile.crc(bytes.putInt(crc).putLong(examples).putDouble(multiplier).flip());
  }

  /**
   * Adds a batch whose name is new, and saves the state. With it, the open epoch may be folded or
   * sealed.
   *
   * @param payload the batch's squares, float32
   * @param scratch converts payloads; {@code payload} may be its buffer
   * @throws RejectedRecord when the shard needs no more examples, or the sum leaves float32
   */
  void add(GradientBatch record, long offset, ByteBuffer payload, BatchPayload scratch) {
    while (isSumDue(record.getExamples()) && !restoreOpenEpoch()) {
      reload(); // this shard or another one was lost, and has none of its batches now
    }
    boolean isWhole = isWholeEpoch(record.getExamples());
    PayloadName name = isWhole ? PayloadName.fisher(1) : PayloadName.open(state.getOpen().size());
    int crc = write(name, payload);
    markApplied(record.getSource(), record.getSequence());
    if (isWhole) {
      sealWhole(record, offset, payload, crc, scratch);
    } else {
      addOpen(record, offset, crc, scratch);
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
          model.id()
              + " has its "
              + manifest.getExamples()
              + " examples and accepts no more (refineEvery is 0)");
    }
    return manifest.getRefineEvery();
  }

  /** Whether a batch has all examples of the first epoch. */
  private boolean isWholeEpoch(long examples) {
    return examples >= wanted() && state.getEpochs().isEmpty() && !hasOpen();
  }

  /** Whether the open epoch is folded or sealed with a batch of so many examples. */
  private boolean isSumDue(long examples) {
    return openExamples() + examples >= wanted() && !isWholeEpoch(examples)
        || state.getOpen().size() + 1 >= OpenEpochs.MAX_OPEN;
  }

  private int write(PayloadName name, ByteBuffer payload) {
    return partition
        .payloads()
        .file(model.version(), name)
        .write(slot.ordinal(), slot.firstElement() * Float.BYTES, payload);
  }

  private void sealWhole(
      GradientBatch record, long offset, ByteBuffer payload, int crc, BatchPayload scratch) {
    double divisor = record.getExamples() / AcceptedBatch.multiplier(record);
    FisherMoments moments =
        FisherMoments.of(scratch.read(payload, elements()), elements(), divisor);
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
    save();
    partition.ledger().countSealed(model, 1);
  }

  private void addOpen(GradientBatch record, long offset, int crc, BatchPayload scratch) {
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
    boolean isComplete = openExamples() >= wanted();
    if (isComplete) {
      seal(offset, scratch);
    } else if (state.getOpen().size() >= OpenEpochs.MAX_OPEN) {
      fold();
    }
    save();
    if (isComplete
        && partition.ledger().countSealed(model, newest().orElseThrow().getEpoch())
        && !isAnyShardOpen()) {
      partition.openEpochs().drop(model.version());
    }
  }

  /** Folds the batches that wait one by one; their payloads and the partial sum are available. */
  private void fold() {
    partition
        .openEpochs()
        .addToPartial(model.version(), slot, state, state.getOpen(), PayloadName::open);
    partition.folded().put(foldKey(state.getFolds()), new FoldedBatches(state.getOpen()));
    state.setFolds(state.getFolds() + 1);
    for (OpenBatch batch : state.getOpen()) {
      state.setFoldedExamples(state.getFoldedExamples() + batch.getExamples());
    }
    state.setOpen(new ArrayList<>());
  }

  /** Seals the open epoch as one sum; its payloads and the partial sum are available. */
  private void seal(long offset, BatchPayload scratch) {
    Optional<SealedFisher> previous = newest();
    double decay = model.manifest().getDecay();
    double examples =
        openExamples() + previous.map(epoch -> decay * epoch.getExamples()).orElse(0.0);
    int epoch = previous.map(SealedFisher::getEpoch).orElse(0) + 1;
    float[] sum = scratch.values();
    partition.openEpochs().sum(model.version(), slot, state, previous, decay, sum);
    requireFinite(sum);
    ByteBuffer payload = scratch.encode(elements());
    int crc = write(PayloadName.fisher(epoch), payload);
    FisherMoments moments = FisherMoments.of(sum, elements(), examples);
    send(
        new BatchName(SEALED_SOURCE, epoch),
        Math.max(1, Math.round(examples)),
        Encoding.SQUARED_SUM,
        payload.duplicate());
    List<OpenBatch> batches = openBatches();
    retireBatches(batches);
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
    rememberSummed(batches);
    clearOpen();
  }

  /** Rejects the batch with which the sum leaves float32. */
  private void requireFinite(float[] sum) {
    for (int j = 0; j < elements(); j++) {
      if (Float.isInfinite(sum[j])) {
        throw new RejectedRecord(
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

  /** Empties the open epoch; the state is not saved. */
  private void clearOpen() {
    for (int fold = 0; fold < state.getFolds(); fold++) {
      partition.folded().delete(foldKey(fold));
    }
    state.setOpen(new ArrayList<>());
    state.setFolds(0);
    state.setFoldedExamples(0);
    state.setPartialFolds(0);
    state.setPartialCrc(0);
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

  /**
   * Restores all payloads that the sum of the open epoch is made of.
   *
   * @return whether they are available now; otherwise some are lost, and their shards are empty
   */
  private boolean restoreOpenEpoch() {
    if (!restorePartial()) {
      return false;
    }
    Recovery.RestoreRequest request = partition.recovery().request();
    needOpenEpoch(request);
    if (request.isEmpty()) {
      return true;
    }
    for (Slot other : model.fisher().slots()) { // reads the topic once for many shards
      if (other != slot && !request.isFull()) {
        load(partition, model, other).needOpenEpoch(request);
      }
    }
    return request.run();
  }

  private void needOpenEpoch(Recovery.RestoreRequest request) {
    request.needBatches(model, slot, state.getOpen(), PayloadName::open);
    newest().ifPresent(fisher -> request.needFisher(model, slot, fisher));
  }

  private boolean isPartialComplete() {
    return partition.openEpochs().isPartialComplete(model.version(), slot, state);
  }

  /**
   * Computes a lost partial sum again, fold by fold, together with those of other shards: each pass
   * reads the part of the topic that has one fold's batches.
   */
  private boolean restorePartial() {
    if (isPartialComplete()) {
      return true;
    }
    boolean isAvailable = true;
    while (isAvailable && !isPartialComplete()) {
      Recovery.RestoreRequest request = partition.recovery().request();
      List<FisherShard> behind = new ArrayList<>();
      needNextFold(request, behind);
      for (Slot other : model.fisher().slots()) {
        if (other != slot && !request.isFull()) {
          load(partition, model, other).needNextFold(request, behind);
        }
      }
      isAvailable = request.run();
      if (isAvailable) {
        behind.forEach(FisherShard::foldAgain);
      }
    }
    partition.openEpochs().dropAgain(model.version());
    return isAvailable;
  }

  private void needNextFold(Recovery.RestoreRequest request, List<FisherShard> behind) {
    if (!isPartialComplete()) {
      request.needBatches(model, slot, folded(state.getPartialFolds()), PayloadName::again);
      behind.add(this);
    }
  }

  /** Adds the next fold to the partial sum; its batches are restored. Saves the state. */
  private void foldAgain() {
    partition
        .openEpochs()
        .addToPartial(
            model.version(), slot, state, folded(state.getPartialFolds()), PayloadName::again);
    save();
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
    partition.openEpochs().dropAgain(model.version());
  }

  /**
   * Empties a shard that has lost a payload, so that {@code status} shows it missing and a
   * publisher may send it again. Saves the state.
   */
  void lose() {
    if (state.getEpochs().isEmpty() && !hasOpen()) {
      return; // another of its batches was lost before
    }
    LOG.error(
        "partition {}: the Fisher of shard {} is gone from its topic; publish the model again",
        partition.ledger().partition(),
        this);
    partition.ledger().countLostFisher(model, newest().map(SealedFisher::getEpoch).orElse(0));
    state.setEpochs(new ArrayList<>());
    clearOpen();
    state.setApplied(new ArrayList<>());
    state.setSummed(new ArrayList<>());
    save();
  }

  /**
   * Sends the tombstone of a summed batch again: it must be the newest record of its key when the
   * batch arrives again.
   */
  void retire(BatchName name) {
    partition.outbox().retireBatch(model.version(), slot.shard(), name.source(), name.sequence());
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
    retireBatches(openBatches());
    clearOpen();
  }
}
