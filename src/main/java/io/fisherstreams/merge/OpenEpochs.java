package io.fisherstreams.merge;

import io.fisherstreams.fisher.FisherSum;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.tensor.PartitionLayout.Slot;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.IntConsumer;
import java.util.function.IntFunction;

/**
 * The sums of epochs that are not sealed yet. A shard's batches wait one by one in local files;
 * every {@value #MAX_OPEN} of them are folded into a partial sum. So neither the files nor the
 * state that goes to the changelog with each batch grow with the number of batches: folded ones are
 * listed in a store of their own, a fold each. A partial sum that is lost is made again from the
 * topic.
 */
final class OpenEpochs {
  /** Batches of one shard that wait one by one. */
  static final int MAX_OPEN = 16;

  // A block's sums and terms stay in a core's own cache while one batch after another is added; a
  // smaller one would be read by more calls.
  private static final int BLOCK = 16_384;

  // Sums lie in it block by block: a file of another size of blocks would be misread, and its
  // checksum hold.
  private static final String PARTIAL = "partial-" + BLOCK;

  private final Ledger ledger;
  private final PartitionPayloads payloads;
  private final FisherSum sum = new FisherSum(BLOCK);
  private final ByteBuffer bytes = direct(Shard.ELEMENTS * FisherSum.BYTES);
  private final ByteBuffer partialBlock = direct(BLOCK * FisherSum.BYTES);
  private final ByteBuffer block = direct(BLOCK * Float.BYTES);
  private final ByteBuffer nextBlock = direct(BLOCK * Float.BYTES);

  OpenEpochs(Ledger ledger, PartitionPayloads payloads) {
    this.ledger = ledger;
    this.payloads = payloads;
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /** The file of a batch that waits. */
  static String openFile(int place) {
    return "open-" + place;
  }

  /** The file of a folded batch that is needed again. */
  static String againFile(int place) {
    return "again-" + place;
  }

  /** Whether one more batch makes a fold. */
  static boolean isFoldDue(ShardState state) {
    return state.getOpen().size() + 1 >= MAX_OPEN;
  }

  /** Folds the batches that wait; the partial sum is at hand, and the state is not put. */
  void fold(KnownModel model, Slot slot, ShardState state) {
    addToPartial(model, slot, state, state.getOpen(), OpenEpochs::openFile);
    ledger.fold(model, slot.shard(), state);
  }

  /** Adds the next fold to a partial sum that is made again; its batches lie in their files. */
  void foldAgain(KnownModel model, Slot slot, ShardState state) {
    List<OpenBatch> batches = ledger.folded(model, slot.shard(), state.getPartialFolds());
    addToPartial(model, slot, state, batches, OpenEpochs::againFile);
  }

  private void addToPartial(
      KnownModel model,
      Slot slot,
      ShardState state,
      List<OpenBatch> batches,
      IntFunction<String> file) {
    ByteBuffer partial = bytes.clear();
    Terms terms = new Terms(model, slot);
    terms.add(batches, file);
    terms.sum(state, first -> sum.store(partial));
    partial.flip();
    state.setPartialCrc(
        payloads
            .file(model.model(), model.version(), PARTIAL)
            .write(slot.ordinal(), slot.firstElement() * FisherSum.BYTES, partial));
    state.setPartialFolds(state.getPartialFolds() + 1);
  }

  /** Drops the files of folded batches that were needed again. */
  void dropAgain(ModelVersion model) {
    for (int place = 0; place < MAX_OPEN; place++) {
      payloads.drop(model.model(), model.version(), againFile(place));
    }
  }

  /** Drops all files of a version of which nothing is open any more. */
  void drop(KnownModel model) {
    payloads.drop(model.model(), model.version(), PARTIAL);
    for (int place = 0; place < MAX_OPEN; place++) {
      payloads.drop(model.model(), model.version(), openFile(place));
    }
  }

  /** Whether the partial sum holds every fold; one that is gone holds none from now on. */
  boolean isPartialWhole(KnownModel model, Slot slot, ShardState state) {
    boolean isThere =
        state.getPartialFolds() == 0
            || payloads
                .file(model.model(), model.version(), PARTIAL)
                .holds(
                    slot.ordinal(),
                    slot.firstElement() * FisherSum.BYTES,
                    slot.shard().elements() * FisherSum.BYTES,
                    state.getPartialCrc());
    if (!isThere) {
      state.setPartialFolds(0);
    }
    return state.getPartialFolds() == state.getFolds();
  }

  /**
   * The epoch's whole sum of squares, rounded to float32.
   *
   * @param previous the epoch before, of which {@code decay} goes in
   */
  void sum(
      KnownModel model,
      Slot slot,
      ShardState state,
      Optional<SealedFisher> previous,
      float[] target) {
    Terms terms = new Terms(model, slot);
    terms.add(state.getOpen(), OpenEpochs::openFile);
    if (previous.isPresent()) {
      // its payload counts divisor examples, its sum all of them
      double all = previous.get().getExamples() / previous.get().getDivisor();
      terms.add(Intake.fisherFile(previous.get().getEpoch()), model.manifest().getDecay() * all);
    }
    terms.sum(state, first -> sum.toFloats(target, first));
  }

  /** Payloads of one shard that are summed, each times a multiplier, on top of the partial sum. */
  private final class Terms {
    private final KnownModel model;
    private final Slot slot;
    private final List<PayloadFile> files = new ArrayList<>();
    private final List<Double> multipliers = new ArrayList<>();

    Terms(KnownModel model, Slot slot) {
      this.model = model;
      this.slot = slot;
    }

    void add(List<OpenBatch> batches, IntFunction<String> file) {
      for (int i = 0; i < batches.size(); i++) {
        add(file.apply(i), batches.get(i).getMultiplier());
      }
    }

    void add(String file, double multiplier) {
      files.add(file(file));
      multipliers.add(multiplier);
    }

    private PayloadFile file(String name) {
      return payloads.file(model.model(), model.version(), name);
    }

    /** Sums block by block, and tells of each one's first element when it is in {@code sum}. */
    void sum(ShardState state, IntConsumer summed) {
      int elements = slot.shard().elements();
      for (int first = 0; first < elements; first += BLOCK) {
        int count = Math.min(BLOCK, elements - first);
        if (state.getPartialFolds() == 0) {
          sum.clear(count);
        } else {
          // where the pairs of the block before it end
          read(file(PARTIAL), partialBlock, FisherSum.BYTES, first, count);
          sum.load(partialBlock, 0, count);
        }
        addBlock(first, count);
        summed.accept(first);
      }
    }

    private void addBlock(int first, int count) {
      int pairs = files.size() / 2 * 2;
      for (int i = 0; i < pairs; i += 2) {
        read(files.get(i), block, Float.BYTES, first, count);
        read(files.get(i + 1), nextBlock, Float.BYTES, first, count);
        sum.add(block, multipliers.get(i), nextBlock, multipliers.get(i + 1), 0);
      }
      if (pairs < files.size()) {
        read(files.get(pairs), block, Float.BYTES, first, count);
        sum.add(block, 0, multipliers.get(pairs));
      }
    }

    private void read(PayloadFile file, ByteBuffer target, int width, int first, int count) {
      file.read((slot.firstElement() + first) * width, count * width, target);
    }
  }
}
