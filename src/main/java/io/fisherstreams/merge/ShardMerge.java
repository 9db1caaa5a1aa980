package io.fisherstreams.merge;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.MergeSums;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * The arithmetic of one shard of a release, from files to a buffer, block by block. The merge stage
 * and a merge without a pool use it, so both give the same bytes. With fewer than {@link
 * BinnedMerge#MIN_MODELS} models it adds them in float64 in their order; with more it uses sums
 * that can be kept, and adds in order only the blocks for which those are not precise enough. Which
 * one it uses depends on the models alone. The buffers are used again for each shard. Used by one
 * thread.
 */
public final class ShardMerge {
  /**
   * The most elements that are read at a time. Sums, parameters and Fishers of one block stay in a
   * core's own cache; a smaller block would need more read calls.
   */
  public static final int BLOCK = 32_768;

  private final double[] result = new double[BLOCK];
  private final double[] baseValues = new double[BLOCK];
  private final Block block = new Block();
  private final Block nextBlock = new Block();
  private ByteBuffer binnedSums;
  private final ByteBuffer merged =
      ByteBuffer.allocate(Shard.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);

  private Misfit misfit;

  /**
   * An element that the type of a release cannot hold.
   *
   * @param element its index in the shard
   * @param value before it is rounded to the type; NaN or infinite when the arithmetic overflowed
   */
  public record Misfit(int element, double value) {
    /**
     * Why there is no release.
     *
     * @param shard the one with the element
     * @param dtype the type of the result
     * @param models those that are merged
     */
    public String text(Shard shard, DType dtype, List<PlannedModel> models) {
      String what =
          String.format(
              Locale.ROOT,
              "parameter %s: element %d is %s",
              shard.tensor().name(),
              shard.firstElement() + element,
              value);
      if (Double.isFinite(value)) {
        return what + ", which %s cannot hold; choose a wider output dtype".formatted(dtype);
      }
      PlannedModel heaviest =
          models.stream().max(Comparator.comparing(PlannedModel::getWeight)).orElseThrow();
      return what
          + ": its weighted sum is beyond float64; the largest weight is %s of model %s"
              .formatted(heaviest.getWeight(), heaviest.getModel());
    }
  }

  /** The elements of a shard, wherever they are. */
  public interface Elements {
    /** Their type. */
    DType type();

    /**
     * Reads some of them.
     *
     * @param first index of the first one in the shard
     * @param scratch has room for {@code count} elements
     * @return little-endian bytes from the first byte of a buffer on, which is {@code scratch} or
     *     one that stays valid without it
     */
    ByteBuffer read(int first, int count, ByteBuffer scratch);
  }

  /** Buffers for one model's part of a block. */
  private static final class Block {
    private final ByteBuffer theta = ByteBuffer.allocateDirect(BLOCK * Double.BYTES);
    private final ByteBuffer fisher = ByteBuffer.allocateDirect(BLOCK * Float.BYTES);
  }

  /**
   * A shard's elements in a payload file.
   *
   * @param file the file
   * @param firstByte where the shard begins in it
   * @param type the elements' type
   */
  record Payload(PayloadFile file, long firstByte, DType type) implements Elements {
    @Override
    public ByteBuffer read(int first, int count, ByteBuffer scratch) {
      file.read(firstByte + (long) first * type.bytes(), count * type.bytes(), scratch);
      return scratch;
    }
  }

  /** A Fisher of 0. */
  private record Zeros() implements Elements {
    private static final ByteBuffer BLOCK_OF_ZEROS =
        ByteBuffer.allocateDirect(BLOCK * Float.BYTES).asReadOnlyBuffer();

    @Override
    public DType type() {
      return DType.F32;
    }

    @Override
    public ByteBuffer read(int first, int count, ByteBuffer scratch) {
      return BLOCK_OF_ZEROS.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    }
  }

  /**
   * A shard's Fisher.
   *
   * @param entries float32
   * @param divisor what the entries are divided by to give the Fisher
   * @param unit what the Fisher is divided by
   */
  public record Fisher(Elements entries, double divisor, double unit) {}

  /**
   * One model's part of a shard.
   *
   * @param checkpoint its parameters
   * @param fisher its Fisher; empty when the formula reads none
   * @param weight the model's weight
   */
  public record Input(Elements checkpoint, Optional<Fisher> fisher, double weight) {
    /**
     * The part of a model that leaves the shard as the base has it: its Fisher there is 0.
     *
     * @param base the base's shard
     * @param factors the model's
     */
    public static Input unchanged(
        Elements base, MergeFormula formula, MergeFormula.Factors factors) {
      return new Input(
          base,
          formula.readsFishers()
              ? Optional.of(new Fisher(new Zeros(), 1, factors.unit()))
              : Optional.empty(),
          factors.weight());
    }

    /** Reads {@code count} elements from the shard's {@code first} on. */
    private Term read(int first, int count, Block block) {
      ByteBuffer theta = checkpoint.read(first, count, block.theta);
      if (fisher.isEmpty()) {
        return new Term(checkpoint.type(), theta, block.fisher, 1, weight);
      }
      Fisher own = fisher.get();
      return new Term(
          checkpoint.type(),
          theta,
          own.entries.read(first, count, block.fisher),
          own.divisor,
          own.unit,
          weight);
    }
  }

  /** The sums of a formula, of both kinds. */
  public static final class Sums {
    private final MergeSums ordered;
    private final BinnedMerge binned;

    private Sums(MergeFormula formula) {
      ordered = formula.sums(BLOCK);
      binned = new BinnedMerge(formula);
    }

    /** Bytes of an element in sums that are kept. */
    int bytes() {
      return binned.bytes();
    }
  }

  /** Sums for {@link #merge}. */
  public static Sums sums(MergeFormula formula) {
    return new Sums(formula);
  }

  /**
   * The models of a shard, and what is kept of their sums. The models are at least {@link
   * BinnedMerge#MIN_MODELS}.
   */
  interface Models {
    /** How many. */
    int count();

    /** The sum of their weights, in the order of their names. */
    double weights();

    /** All of them, in the order of their names; empty while they cannot be read. */
    Optional<List<Input>> all();

    /**
     * Loads a block's sums.
     *
     * @param first element of the shard
     * @param sums receives them; all bytes are 0 when the block is built from all models
     * @return what must change in them; empty when all models must be read, but cannot be
     */
    Optional<Change> load(int first, ByteBuffer sums);

    /**
     * Keeps a block's sums.
     *
     * @param isPrecise whether the result can be computed from them
     */
    void keep(int first, ByteBuffer sums, long outside, boolean isPrecise);
  }

  /**
   * What must change in sums that were loaded.
   *
   * @param isPrecise false when the sums hold the models, but the result must be computed from all
   *     of them: the sums were not loaded
   * @param outside of the loaded sums, as {@link BinnedMerge#outside} counts
   * @param gone models to take out
   * @param added models to add
   */
  record Change(boolean isPrecise, long outside, List<Input> gone, List<Input> added) {}

  /** Models whose sums are built for this one merge. */
  private static final class Anew extends ListedModels {
    Anew(List<Input> inputs) {
      super(inputs);
    }

    @Override
    public Optional<Change> load(int first, ByteBuffer sums) {
      clear(sums);
      return Optional.of(new Change(true, 0, List.of(), inputs));
    }

    @Override
    public void keep(int first, ByteBuffer sums, long outside, boolean isPrecise) {}
  }

  /** Sets all bytes up to the limit to 0. */
  static void clear(ByteBuffer sums) {
    for (int at = 0; at < sums.limit(); at += Long.BYTES) {
      sums.putLong(at, 0);
    }
  }

  /** The shard that was computed last, little-endian, valid until the next one. */
  public ByteBuffer merged() {
    return merged;
  }

  /** The first element of the last shard that is not finite, although it should be. */
  public Optional<Misfit> misfit() {
    return Optional.ofNullable(misfit);
  }

  /**
   * Looks for such an element in a block that was written.
   *
   * @param isCopy whether an element that was infinite before may stay so: a mask has infinities
   */
  private void check(DType dtype, int first, int count, boolean isCopy) {
    ByteBuffer written = merged.duplicate();
    for (int j = 0; misfit == null && j < count; j++) {
      written.position((first + j) * dtype.bytes());
      long bad = FloatScan.firstNotFinite(dtype, written, count - j);
      if (bad < 0) {
        return;
      }
      j += (int) bad;
      if (!isCopy || Double.isFinite(result[j])) {
        misfit = new Misfit(first + j, result[j]);
      }
    }
  }

  /**
   * Merges a shard.
   *
   * @param base the base model's shard; empty when the formula does not read it
   * @param inputs in the order of their names, with the factors of {@link PlanFactors}
   * @param dtype the type of the result
   * @return how many of its entries have no weight
   */
  public long merge(
      Sums sums, Optional<? extends Elements> base, List<Input> inputs, int elements, DType dtype) {
    if (inputs.size() >= BinnedMerge.MIN_MODELS) {
      return merge(sums, base, new Anew(inputs), elements, dtype);
    }
    return forEachBlock(
        base, elements, dtype, (first, count) -> inOrder(sums.ordered, inputs, first, count));
  }

  /**
   * Merges a shard of many models.
   *
   * @return how many of its entries have no weight; −1 when all models must be read, but cannot be
   */
  long merge(
      Sums sums, Optional<? extends Elements> base, Models models, int elements, DType dtype) {
    return forEachBlock(
        base, elements, dtype, (first, count) -> binned(sums, models, first, count));
  }

  private interface BlockMerge {
    /** Computes the result of a block; returns how many entries have no weight, or −1. */
    int apply(int first, int count);
  }

  private long forEachBlock(
      Optional<? extends Elements> base, int elements, DType dtype, BlockMerge merge) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    long unweighted = 0;
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      if (base.isPresent()) {
        ByteBuffer own = base.get().read(first, count, block.theta);
        FloatCodec.toDouble(base.get().type(), own, 0, baseValues, 0, count);
      }
      int ofBlock = merge.apply(first, count);
      if (ofBlock < 0) {
        return -1;
      }
      unweighted += ofBlock;
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, false);
    }
    return unweighted;
  }

  private int inOrder(MergeSums sums, List<Input> inputs, int first, int count) {
    sums.begin(count, baseValues);
    int pairs = inputs.size() / 2 * 2;
    for (int i = 0; i < pairs; i += 2) {
      sums.add(
          inputs.get(i).read(first, count, block), inputs.get(i + 1).read(first, count, nextBlock));
    }
    if (pairs < inputs.size()) {
      sums.add(inputs.get(pairs).read(first, count, block));
    }
    return sums.finish(result);
  }

  private int binned(Sums sums, Models models, int first, int count) {
    if (binnedSums == null) {
      binnedSums =
          ByteBuffer.allocateDirect(BLOCK * BinnedMerge.MAX_BYTES).order(ByteOrder.LITTLE_ENDIAN);
    }
    binnedSums.clear().limit(count * sums.bytes());
    Optional<Change> loaded = models.load(first, binnedSums);
    if (loaded.isEmpty()) {
      return -1;
    }
    Change change = loaded.get();
    int unweighted = change.isPrecise() ? apply(change, sums.binned, models, first, count) : -1;
    return unweighted >= 0
        ? unweighted
        : models.all().map(all -> inOrder(sums.ordered, all, first, count)).orElse(-1);
  }

  private int apply(Change change, BinnedMerge sums, Models models, int first, int count) {
    sums.begin(binnedSums, count, change.outside(), baseValues);
    change.gone().forEach(gone -> sums.subtract(gone.read(first, count, block)));
    change.added().forEach(added -> sums.add(added.read(first, count, block)));
    int unweighted = sums.finish(models.count(), models.weights(), result);
    if (!change.gone().isEmpty() || !change.added().isEmpty()) {
      models.keep(first, binnedSums, sums.outside(), unweighted >= 0);
    }
    return unweighted;
  }

  /**
   * Copies a shard.
   *
   * @param dtype the type of the result
   */
  @SuppressWarnings("ReferenceEquality") // the buffer itself may come back
  public void copy(Elements source, int elements, DType dtype) {
    merged.clear().limit(elements * dtype.bytes());
    misfit = null;
    DType type = source.type();
    if (type == dtype) {
      ByteBuffer bytes = source.read(0, elements, merged);
      if (bytes != merged) {
        merged.put(0, bytes, 0, elements * dtype.bytes());
      }
      return;
    }
    for (int first = 0; first < elements; first += BLOCK) {
      int count = Math.min(BLOCK, elements - first);
      FloatCodec.toDouble(type, source.read(first, count, block.theta), 0, result, 0, count);
      FloatCodec.fromDouble(dtype, result, 0, count, merged, first * dtype.bytes());
      check(dtype, first, count, true);
    }
  }
}
