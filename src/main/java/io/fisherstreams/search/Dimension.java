package io.fisherstreams.search;

import java.math.BigDecimal;
import java.math.MathContext;

/**
 * One setting that a search changes: a number above 0, which is searched on a logarithmic scale.
 *
 * @param name for people
 * @param start its value at the start
 * @param reach the search stays between start / reach and start · reach; above 1
 * @param step the first factor of a coordinate search; above 1
 */
public record Dimension(String name, double start, double reach, double step) {
  private static final MathContext DIGITS = new MathContext(4);

  /** Rejects values out of range. */
  public Dimension {
    if (!(start > 0 && Double.isFinite(start))) {
      throw new IllegalArgumentException(name + " starts at " + start + ", expected above 0");
    }
    if (!(reach > 1 && step > 1)) {
      throw new IllegalArgumentException(
          name + ": reach " + reach + " and step " + step + ", expected above 1");
    }
  }

  /**
   * The nearest value that a search may try: in reach, and with four significant digits, so that a
   * file shows exactly what was tried. The start stays as it is.
   */
  double allowed(double value) {
    if (value == start) {
      return start;
    }
    double inReach = Math.max(start / reach, Math.min(start * reach, value));
    return rounded(inReach);
  }

  /** A number with four significant digits. */
  public static double rounded(double value) {
    return new BigDecimal(value).round(DIGITS).doubleValue();
  }
}
