package io.fisherstreams.merge;

import io.fisherstreams.fisher.FisherSum;
import io.fisherstreams.merge.payload.PartitionPayloads;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.merge.payload.PayloadName;
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
 * Sums the gradient batches of shards' open epochs, from and to the payload files of one partition:
 * the batches that are kept one by one, on top of a partial sum of those that are folded. Its
 * buffers are used again for each shard.
 */
final class EpochSums {
  // The sums and terms of a block stay in a core's own cache while one batch after another is
  // added. A smaller block would need more read calls.
  private static final int BLOCK = 16_384;

  private static final PayloadName PARTIAL = PayloadName.partial(BLOCK);

  private final PartitionPayloads payloads;
  private final FisherSum sum = new FisherSum(BLOCK);
  private final ByteBuffer bytes = direct(Shard.ELEMENTS * FisherSum.BYTES);
  private final ByteBuffer partialBlock = direct(BLOCK * FisherSum.BYTES);
  private final ByteBuffer block = direct(BLOCK * Float.BYTES);
  private final ByteBuffer nextBlock = direct(BLOCK * Float.BYTES);

  EpochSums(PartitionPayloads payloads) {
    this.payloads = payloads;
  }

  private static ByteBuffer direct(int bytes) {
    return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Adds the batches of one fold to a shard's partial sum; the state gets its checksum and its
   * number of folds.
   *
   * @param name file of the batch at a position of the list
   */
  void addToPartial(
      ModelVersion version,
      Slot slot,
      ShardState state,
      List<OpenBatch> batches,
      IntFunction<PayloadName> name) {
    ByteBuffer partial = bytes.clear();
    Terms terms = new Terms(version, slot);
    terms.add(batches, name);
    terms.sum(state, first -> sum.store(partial));
    partial.flip();
    state.setPartialCrc(
        payloads
            .file(version, PARTIAL)
            .write(slot.ordinal(), slot.firstElement() * FisherSum.BYTES, partial));
    state.setPartialFolds(state.getPartialFolds() + 1);
  }

  /** Deletes the files of folded batches that were restored. */
  void dropAgain(ModelVersion version) {
    for (int position = 0; position < OpenEpoch.MAX_BATCHES; position++) {
      payloads.drop(version, PayloadName.again(position));
    }
  }

  /** Deletes all files of a version that has no open epoch any more. */
  void drop(ModelVersion version) {
    payloads.drop(version, PARTIAL);
    for (int position = 0; position < OpenEpoch.MAX_BATCHES; position++) {
      payloads.drop(version, PayloadName.open(position));
    }
  }

  /**
   * Whether a shard's partial sum has all its folds. If the file is missing or damaged, the state's
   * number of folds becomes 0.
   */
  boolean isPartialComplete(ModelVersion version, Slot slot, ShardState state) {
    boolean isThere =
        state.getPartialFolds() == 0
            || payloads
                .file(version, PARTIAL)
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
   * The sum of squares of a whole epoch, rounded to float32.
   *
   * @param previous the previous epoch
   * @param decay how much of the previous epoch's sum is added
   */
  void sum(
      ModelVersion version,
      Slot slot,
      ShardState state,
      Optional<SealedFisher> previous,
      double decay,
      float[] target) {
    Terms terms = new Terms(version, slot);
    terms.add(state.getOpen(), PayloadName::open);
    if (previous.isPresent()) {
      // The payload is a sum over divisor examples; the epoch counts all of its examples.
      double all = previous.get().getExamples() / previous.get().getDivisor();
      terms.add(PayloadName.fisher(previous.get().getEpoch()), decay * all);
    }
    terms.sum(state, first -> sum.toFloats(target, first));
  }

  /** Payloads of one shard, each with a multiplier, that are added to the partial sum. */
  private final class Terms {
    private final ModelVersion version;
    private final Slot slot;
    private final List<PayloadFile> files = new ArrayList<>();
    private final List<Double> multipliers = new ArrayList<>();

    Terms(ModelVersion version, Slot slot) {
      this.version = version;
      this.slot = slot;
    }

    void add(List<OpenBatch> batches, IntFunction<PayloadName> name) {
      for (int i = 0; i < batches.size(); i++) {
        add(name.apply(i), batches.get(i).getMultiplier());
      }
    }

    void add(PayloadName name, double multiplier) {
      files.add(payloads.file(version, name));
      multipliers.add(multiplier);
    }

    /** Sums block by block; {@code summed} gets each block's first element, once it is summed. */
    void sum(ShardState state, IntConsumer summed) {
      int elements = slot.shard().elements();
      for (int first = 0; first < elements; first += BLOCK) {
        int count = Math.min(BLOCK, elements - first);
        if (state.getPartialFolds() == 0) {
          sum.clear(count);
        } else {
          read(payloads.file(version, PARTIAL), partialBlock, FisherSum.BYTES, first, count);
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
