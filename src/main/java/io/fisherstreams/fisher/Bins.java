package io.fisherstreams.fisher;

import io.fisherstreams.tensor.VectorUnit;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Sums of float64 terms as integers, so that neither the order of the terms nor what was added and
 * taken out before leaves a trace in their bits.
 *
 * <p>A term is rounded to a multiple of the first bin's unit by adding and subtracting {@code 1.5 ·
 * 2⁵² · unit}; the next bin takes the rest, which is exact (Demmel and Nguyen: "Parallel
 * Reproducible Summation", 2015). Bin k has the unit 2<sup>−23 − 52k</sup>, and what remains after
 * the last one is dropped. Each bin is a 64-bit integer of its units, as in a Kulisch accumulator.
 * All but the first are kept from −2⁵¹ to 2⁵¹ − 1, so every value has one representation. With
 * terms of at most {@link #LARGEST} in magnitude, a sum of two million of them fits.
 *
 * <p>The bins of a run of entries are in one buffer, little-endian: first the first bin of every
 * entry, then the second bins.
 */
final class Bins {
  /** The largest magnitude of a term. */
  static final double LARGEST = 0x1p19;

  /** The binary digits of a bin. */
  static final int STEP = 52;

  /** Half of the range of a bin that has a bin before it. */
  static final long HALF = 1L << (STEP - 1);

  /** The most bins of an entry. */
  static final int MAX_BINS = 3;

  private static final int FIRST_EXPONENT = -23;
  private static final double[] UNITS = new double[MAX_BINS];
  private static final double[] MAGICS = new double[MAX_BINS];

  static {
    for (int bin = 0; bin < MAX_BINS; bin++) {
      UNITS[bin] = Math.scalb(1.0, FIRST_EXPONENT - STEP * bin);
      MAGICS[bin] = Math.scalb(1.5, 52) * UNITS[bin];
    }
  }

  private Bins() {}

  /** What the integers of a bin are multiples of. */
  static double unit(int bin) {
    return UNITS[bin];
  }

  /** What rounds to multiples of the bin's unit when it is added. */
  static double magic(int bin) {
    return MAGICS[bin];
  }

  /**
   * Whether a term cannot be added: it is too large, not finite, or not 0 but below {@code least}.
   */
  static boolean isOutside(double term, double least) {
    double magnitude = Math.abs(term);
    return !(magnitude <= LARGEST) || (magnitude > 0 && magnitude < least);
  }

  /**
   * Replaces terms that cannot be added by 0.
   *
   * @param least the smallest term other than 0 that can be added
   * @return how many it has replaced
   */
  static int clean(double[] terms, int count, double least) {
    int first = VectorUnit.IS_USABLE ? VectorBins.inside(terms, least, count) : 0;
    int outside = 0;
    for (int j = first; j < count; j++) {
      if (isOutside(terms[j], least)) {
        terms[j] = 0;
        outside++;
      }
    }
    return outside;
  }

  /**
   * Adds a term to each of a run's entries.
   *
   * @param position byte of the first entry's first bin
   * @param stride bytes from a bin of an entry to its next one
   * @param bins 2 or 3
   * @param terms none outside the bins
   * @param sign 1 to add, −1 to subtract
   */
  static void add(
      ByteBuffer sums, int position, int stride, int bins, double[] terms, double sign, int count) {
    int first = 0;
    if (VectorUnit.IS_USABLE) {
      first =
          bins == 2
              ? VectorBins.addTwo(sums, position, stride, terms, sign, count)
              : VectorBins.addThree(sums, position, stride, terms, sign, count);
    }
    addFrom(first, sums, position, stride, bins, terms, sign, count);
  }

  /** Adds to the entries from {@code first} on. */
  static void addFrom(
      int first,
      ByteBuffer sums,
      int position,
      int stride,
      int bins,
      double[] terms,
      double sign,
      int count) {
    sums.order(ByteOrder.LITTLE_ENDIAN);
    for (int j = first; j < count; j++) {
      double rest = terms[j] * sign;
      for (int bin = 0; bin < bins; bin++) {
        double magic = magic(bin);
        double rounded = rest + magic;
        int at = position + j * Long.BYTES + bin * stride;
        long units = Double.doubleToRawLongBits(rounded) - Double.doubleToRawLongBits(magic);
        sums.putLong(at, sums.getLong(at) + units);
        rest -= rounded - magic;
      }
      for (int bin = bins - 1; bin > 0; bin--) {
        int at = position + j * Long.BYTES + bin * stride;
        long carry = (sums.getLong(at) + HALF) >> STEP;
        sums.putLong(at, sums.getLong(at) - (carry << STEP));
        sums.putLong(at - stride, sums.getLong(at - stride) + carry);
      }
    }
  }

  /** The sums of a run's entries as float64; the parameters are those of {@link #add}. */
  static void totals(
      ByteBuffer sums, int position, int stride, int bins, double[] totals, int count) {
    int first =
        VectorUnit.IS_USABLE ? VectorBins.totals(sums, position, stride, bins, totals, count) : 0;
    sums.order(ByteOrder.LITTLE_ENDIAN);
    for (int j = first; j < count; j++) {
      totals[j] = total(sums, position + j * Long.BYTES, stride, bins);
    }
  }

  /** One entry's sum. */
  static double total(ByteBuffer sums, int position, int stride, int bins) {
    double rest = sums.getLong(position + stride) * unit(1);
    if (bins == 3) {
      rest += sums.getLong(position + 2 * stride) * unit(2);
    }
    return sums.getLong(position) * unit(0) + rest;
  }
}
