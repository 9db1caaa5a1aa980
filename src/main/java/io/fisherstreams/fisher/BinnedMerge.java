package io.fisherstreams.fisher;

import io.fisherstreams.fisher.MergeSums.Term;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The sums of a merge over one run of elements, kept as {@link Bins}: models are added and taken
 * out in any order, and the bits of the sums depend only on the models that are in. A model's terms
 * are those that the formula's {@link MergeSums} compute. The sums are integers, so they stay in
 * Java whatever kernel adds models in order. Not thread-safe.
 */
public final class BinnedMerge {
  /**
   * From so many models on a merge uses these sums. With fewer, reading all models again and adding
   * them in order takes less time than reading and writing sums.
   */
  public static final int MIN_MODELS = 16;

  /** The most bytes of an element's sums. */
  public static final int MAX_BYTES = 3 * Bins.MAX_BINS * Long.BYTES;

  /** Terms and sums of so many entries stay in a core's own cache. */
  private static final int CHUNK = 4096;

  /**
   * An error of a sum is at most this part of its denominator. Parameters are rarely larger than 1,
   * and float32 has 24 digits.
   */
  private static final double PRECISION = 0x1p-42;

  private final MergeSums formula;
  private final double[][] totals;
  private final double[] base;
  private final boolean readsBase;
  private final double[] result = new double[CHUNK];
  private final int bins;
  private final double least;
  private ByteBuffer sums;
  private double[] baseValues;
  private int elements;
  private long outside;

  /** Empty sums. */
  public BinnedMerge(MergeFormula formula) {
    this.formula = formula.sums(MergeKernel.java(), CHUNK);
    totals = this.formula.totals();
    base = new double[CHUNK];
    readsBase = formula.readsBase();
    bins = this.formula.mayBeUnweighted() ? 3 : 2;
    // Where a sum of 0 is a case of its own, a term must not be rounded to 0.
    least = this.formula.mayBeUnweighted() ? Bins.unit(bins - 1) : 0;
  }

  /** The bytes of an element's sums. */
  public int bytes() {
    return totals.length * bins * Long.BYTES;
  }

  /**
   * Begins a run, whose sums are in a buffer.
   *
   * @param buffer {@code elements · bytes()} bytes from the first one on are the sums; all 0 for no
   *     model
   * @param outsideTerms how many terms of their models were outside the bins
   * @param baseParameters the base's, at least as many, not changed before the run ends; any
   *     numbers when the formula does not {@linkplain MergeFormula#readsBase() read the base}
   */
  public void begin(ByteBuffer buffer, int elements, long outsideTerms, double[] baseParameters) {
    sums = buffer;
    baseValues = baseParameters;
    outside = outsideTerms;
    this.elements = elements;
  }

  /** Adds a model. */
  public void add(Term term) {
    add(term, 1);
  }

  /** Takes out a model that was added with the same term. */
  public void subtract(Term term) {
    add(term, -1);
  }

  private void add(Term term, int sign) {
    for (int first = 0; first < elements; first += CHUNK) {
      int count = Math.min(CHUNK, elements - first);
      begin(first, count);
      formula.add(
          new Term(
              term.type(),
              part(term.theta(), first, count, term.type().bytes()),
              part(term.fisher(), first, count, Float.BYTES),
              term.divisor(),
              term.unit(),
              term.weight()));
      for (int sum = 0; sum < totals.length; sum++) {
        outside += (long) sign * Bins.clean(totals[sum], count, sum == 1 ? least : 0);
        Bins.add(sums, position(sum, first), stride(), bins, totals[sum], sign, count);
      }
    }
  }

  private void begin(int first, int count) {
    if (readsBase) {
      System.arraycopy(baseValues, first, base, 0, count);
    }
    formula.begin(count, base);
  }

  private static ByteBuffer part(ByteBuffer all, int first, int count, int bytes) {
    int position = Math.min(first * bytes, all.limit());
    return all.slice(position, Math.min(count * bytes, all.limit() - position))
        .order(ByteOrder.LITTLE_ENDIAN);
  }

  private int stride() {
    return elements * Long.BYTES;
  }

  private int position(int sum, int first) {
    return sum * bins * stride() + first * Long.BYTES;
  }

  /** How many terms of the models were outside the bins. */
  public long outside() {
    return outside;
  }

  /**
   * Writes the merged run, if the sums are as precise as it needs: no term was outside the bins,
   * and no denominator is too small for them. That depends on the models alone, as the result does.
   *
   * @param models how many models are in the sums
   * @param weights the sum of their weights c, in the order of their names
   * @param merged receives θ
   * @return how many entries got no weight from any model; −1 when the sums are not precise enough,
   *     and {@code merged} must be computed from all models
   */
  public int finish(int models, double weights, double[] merged) {
    if (outside != 0) {
      return -1;
    }
    // Each term is rounded by at most half a unit of the last bin.
    double smallest = models * Bins.unit(bins - 1) / 2 / PRECISION;
    int unweighted = 0;
    for (int first = 0; first < elements; first += CHUNK) {
      int count = Math.min(CHUNK, elements - first);
      begin(first, count);
      formula.weights(weights);
      for (int sum = 0; sum < totals.length; sum++) {
        Bins.totals(sums, position(sum, first), stride(), bins, totals[sum], count);
      }
      if (!formula.isAtLeast(smallest)) {
        return -1;
      }
      unweighted += formula.finish(result);
      System.arraycopy(result, 0, merged, first, count);
    }
    return unweighted;
  }
}
