package io.fisherstreams.fisher;

import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.VectorUnit;

/**
 * The arithmetic of the merge methods over one run of elements: up to three float64 sums for each
 * element, to which the models' terms are added. Every product, sum and square root is one IEEE
 * operation on float64, rounded on its own, in the order in which a method's documentation writes
 * it. So every implementation gives the same bits, whatever computes it. The exceptions are powers
 * other than 0, ½ and 1, which all implementations take from {@link StrictMath}. NaN counts as one
 * value, whatever its bits. Used by one thread; the owner closes it.
 */
public interface MergeKernel extends AutoCloseable {
  /** Makes kernels of one implementation. */
  interface Factory {
    /**
     * A kernel.
     *
     * @param capacity the most elements of one run
     * @param sums how many sums an element has, 1 to 3
     */
    MergeKernel create(int capacity, int sums);
  }

  /**
   * The implementation in Java: with the processor's vectors where {@link VectorUnit} is usable,
   * else with plain loops.
   */
  static Factory java() {
    return VectorUnit.IS_USABLE ? VectorKernel::new : PlainKernel::new;
  }

  /**
   * Sets the sums to 0.
   *
   * @param elements of the run
   * @param base the base's parameters θ₀, which must not change before the run is finished; read by
   *     {@link #addMatched} and {@link #addDifference} only
   */
  void begin(int elements, double[] base);

  /**
   * Adds {@code w θ_m} to the first sum and {@code w} to the second one, with {@code w = S_m ·
   * scale + bias} ({@link Term#scale}, {@link Term#bias}).
   *
   * @param constant what is added to the Fisher
   */
  void addWeighted(Term term, double constant);

  /** Adds one model and then another. */
  default void addWeighted(Term term, Term next, double constant) {
    addWeighted(term, constant);
    addWeighted(next, constant);
  }

  /**
   * Adds {@code w θ_m} to the first sum and {@code w} to the second one, with {@code w = c_m · (S_m
   * · scale + bias)^exponent}.
   *
   * @param exponent at least 0, other than 1
   */
  void addPowered(Term term, double scale, double bias, double exponent);

  /** Adds {@code c_m θ_m} to the third sum. */
  void addAverage(Term term);

  /**
   * Adds {@code (g + bias) (θ_m − θ₀)} to the first sum and {@code g} to the second one, with
   * {@code g = S_m · scale}.
   *
   * @param prior what is added to the Fisher
   */
  void addMatched(Term term, double prior);

  /** Adds {@code (θ_m − θ₀) c_m} to the first sum. */
  void addDifference(Term term);

  /** The sums so far, an array for each of them, valid until the next {@link #begin}. */
  double[][] totals();

  /** Releases what the kernel holds outside Java's heap. */
  @Override
  default void close() {}
}
