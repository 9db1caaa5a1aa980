package io.fisherstreams.fisher;

import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;

/**
 * The sums of a merge over one run of elements, in float64: what each model adds, and the result.
 * Each sum is over the models, entry by entry. The caller adds the models in the order of their
 * names, so that the rounding of the sums is always the same; {@link BinnedMerge} needs no order.
 * Not thread-safe; the owner closes it.
 */
public interface MergeSums extends AutoCloseable {
  /**
   * One model's part in a run, as little-endian bytes that begin at the first byte of each buffer.
   *
   * @param type the dtype of {@code theta}, a {@linkplain DType#mergeable() mergeable} one
   * @param theta its parameters θ_m
   * @param fisher the payload S_m of its diagonal Fisher, F32; not read by a formula that reads no
   *     Fishers
   * @param divisor n_m, by which the payload is divided to give the Fisher
   * @param unit by which the Fisher is divided, above 0
   * @param weight what the formula's {@link MergeFormula.Factors} say
   */
  record Term(
      DType type, ByteBuffer theta, ByteBuffer fisher, double divisor, double unit, double weight) {
    /** The part of a model whose Fisher is weighted as it is. */
    public Term(DType type, ByteBuffer theta, ByteBuffer fisher, double divisor, double weight) {
      this(type, theta, fisher, divisor, 1, weight);
    }

    /** The factor of an entry S_m in its weight. */
    public double scale() {
      return weight / (divisor * unit);
    }

    /** The part of a constant in the weight. */
    public double bias(double constant) {
      return weight * constant;
    }
  }

  /**
   * Begins a run of {@code elements} elements.
   *
   * @param base the base model's parameters, which must not change before the run is finished; not
   *     read unless the formula {@linkplain MergeFormula#readsBase() reads the base}
   */
  void begin(int elements, double[] base);

  /** Adds one model. */
  void add(Term term);

  /** Adds one model and then another. */
  default void add(Term term, Term next) {
    add(term);
    add(next);
  }

  /**
   * The sums so far, an array for each of them. After {@link #begin} and one model they are that
   * model's terms. With the kernel {@link MergeKernel#java} they are always the same arrays, which
   * {@link #finish} reads.
   */
  double[][] totals();

  /**
   * Sets Σ c, which {@link #finish} reads, when {@link #totals} were not summed by {@link #add}.
   *
   * @param weights Σ c over the models
   */
  default void weights(double weights) {}

  /**
   * Whether the result may be an average by weights c, of an entry whose denominator is 0; then it
   * matters whether a sum is 0 or tiny.
   */
  default boolean mayBeUnweighted() {
    return false;
  }

  /**
   * Whether every denominator is at least {@code least}, or 0 where the result {@linkplain
   * #mayBeUnweighted may be unweighted}.
   */
  boolean isAtLeast(double least);

  /**
   * Writes the merged run.
   *
   * @param merged receives θ
   * @return how many entries got no weight from any model
   */
  int finish(double[] merged);

  /** Closes the kernel. */
  @Override
  void close();

  /**
   * Moves a result along the line from the base: {@code θ₀ + s (θ − θ₀)}. With s = 1 it stays, and
   * with s = 0 it is the base's, bit by bit.
   */
  static void scale(double scale, double[] base, double[] merged, int elements) {
    if (scale == 0) {
      System.arraycopy(base, 0, merged, 0, elements);
    } else if (scale != 1) {
      for (int j = 0; j < elements; j++) {
        merged[j] = base[j] + scale * (merged[j] - base[j]);
      }
    }
  }
}
