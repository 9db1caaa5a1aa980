package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.FoldedBatches;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ShardKey.BatchName;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntFunction;

/**
 * The batches of a shard's epoch that is not sealed yet. They are kept in local files one by one
 * and listed in the shard's state; every {@value #MAX_BATCHES} of them are folded: added to a
 * partial sum and listed in a store of their own. So neither the files nor the state, which goes to
 * the changelog with each batch, grow with the number of batches. A partial sum that is lost is
 * computed again from the topic.
 *
 * <p>An object works on the state of its {@link FisherShard}, which saves it.
 */
final class OpenEpoch {
  /** Batches of one shard that are kept one by one. */
  static final int MAX_BATCHES = 16;

  private final PartitionContext partition;
  private final KnownModel model;
  private final Slot slot;
  private final ShardState state;

  OpenEpoch(PartitionContext partition, KnownModel model, Slot slot, ShardState state) {
    this.partition = partition;
    this.model = model;
    this.slot = slot;
    this.state = state;
  }

  private static OpenEpoch load(PartitionContext partition, KnownModel model, Slot slot) {
    return new OpenEpoch(partition, model, slot, partition.ledger().shard(model, slot.shard()));
  }

  boolean isEmpty() {
    return state.getFolds() == 0 && state.getOpen().isEmpty();
  }

  /** Whether the batches that are kept one by one must be folded. */
  boolean isFull() {
    return state.getOpen().size() >= MAX_BATCHES;
  }

  /** Whether one more batch makes the epoch {@linkplain #isFull full}. */
  boolean isAlmostFull() {
    return state.getOpen().size() + 1 >= MAX_BATCHES;
  }

  /** The number of examples in all batches. */
  long examples() {
    long examples = state.getFoldedExamples();
    for (OpenBatch batch : state.getOpen()) {
      examples += batch.getExamples();
    }
    return examples;
  }

  /** The batch of a name, if the epoch has it. */
  Optional<AcceptedBatch> find(BatchName name) {
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

  private String foldKey(int fold) {
    return Ledger.key(model, slot.shard()) + "#" + fold;
  }

  /** The batches of one fold, counted from 0. */
  private List<OpenBatch> folded(int fold) {
    return partition.folded().get(foldKey(fold)).getBatches();
  }

  /** All batches, in the order of arrival. */
  List<OpenBatch> batches() {
    List<OpenBatch> batches = new ArrayList<>();
    for (int fold = 0; fold < state.getFolds(); fold++) {
      batches.addAll(folded(fold));
    }
    batches.addAll(state.getOpen());
    return batches;
  }

  /** Folds the batches that are kept one by one; everything is {@linkplain #restore restored}. */
  void fold() {
    partition.sums().addToPartial(model.version(), slot, state, state.getOpen(), PayloadName::open);
    partition.folded().put(foldKey(state.getFolds()), new FoldedBatches(state.getOpen()));
    state.setFolds(state.getFolds() + 1);
    for (OpenBatch batch : state.getOpen()) {
      state.setFoldedExamples(state.getFoldedExamples() + batch.getExamples());
    }
    state.setOpen(new ArrayList<>());
  }

  /**
   * Computes the sum of squares, rounded to float32; everything is {@linkplain #restore restored}.
   *
   * @param previous the previous epoch
   * @param decay how much of the previous epoch's sum is added
   * @param target gets the sum
   */
  void sum(Optional<SealedFisher> previous, double decay, float[] target) {
    partition.sums().sum(model.version(), slot, state, previous, decay, target);
  }

  /** Removes all batches. */
  void clear() {
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
   * Restores all payloads that a sum or a fold is made of, and those of other shards, which are
   * read from the topic together.
   *
   * @param previous the previous epoch
   * @return whether all are available now; otherwise some are lost, and their shards are empty
   */
  boolean restore(Optional<SealedFisher> previous) {
    if (!restorePartial()) {
      return false;
    }
    Recovery.RestoreRequest request = partition.recovery().request();
    need(request, previous);
    if (request.isEmpty()) {
      return true;
    }
    for (Slot other : model.fisher().slots()) {
      if (other.ordinal() != slot.ordinal() && !request.isFull()) {
        ShardState shard = partition.ledger().shard(model, other.shard());
        new OpenEpoch(partition, model, other, shard).need(request, FisherShard.newest(shard));
      }
    }
    return request.run();
  }

  private void need(Recovery.RestoreRequest request, Optional<SealedFisher> previous) {
    request.needBatches(model, slot, state.getOpen(), PayloadName::open);
    previous.ifPresent(fisher -> request.needFisher(model, slot, fisher));
  }

  private boolean isPartialComplete() {
    return partition.sums().isPartialComplete(model.version(), slot, state);
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
      List<OpenEpoch> behind = new ArrayList<>();
      needNextFold(request, behind);
      for (Slot other : model.fisher().slots()) {
        if (other.ordinal() != slot.ordinal() && !request.isFull()) {
          load(partition, model, other).needNextFold(request, behind);
        }
      }
      isAvailable = request.run();
      if (isAvailable) {
        behind.forEach(OpenEpoch::foldAgain);
      }
    }
    partition.sums().dropAgain(model.version());
    return isAvailable;
  }

  private void needNextFold(Recovery.RestoreRequest request, List<OpenEpoch> behind) {
    if (!isPartialComplete()) {
      request.needBatches(model, slot, folded(state.getPartialFolds()), PayloadName::again);
      behind.add(this);
    }
  }

  /** Adds the next fold, whose batches are restored, to the partial sum, and saves the state. */
  private void foldAgain() {
    partition
        .sums()
        .addToPartial(
            model.version(), slot, state, folded(state.getPartialFolds()), PayloadName::again);
    partition.ledger().put(model, slot.shard(), state);
  }
}
