package io.fisherstreams.fisher;

import io.fisherstreams.tensor.VectorUnit;

/**
 * Sums over the entries of one shard's diagonal Fisher, in float64. Entry j is added to sum j mod
 * 8, in order, and the eight sums are added in pairs. With a single sum, each addition would wait
 * for the one before. Eight sums fill the vectors of any processor, and the result has the same
 * bits everywhere.
 *
 * @param total {@code Σ_j F[j]}
 * @param squares {@code Σ_j F[j]²}
 */
public record FisherMoments(double total, double squares) {
  private static final int SUMS = 8;

  /** The moments of {@code F[j] = payload[j] / divisor} over the first {@code elements} entries. */
  public static FisherMoments of(float[] payload, int elements, double divisor) {
    return of(payload, elements, divisor, VectorUnit.IS_USABLE);
  }

  static FisherMoments of(float[] payload, int elements, double divisor, boolean vectors) {
    double[] sums = new double[SUMS];
    double[] squares = new double[SUMS];
    int end = elements / SUMS * SUMS;
    if (!vectors || !VectorSums.moments(payload, end, sums, squares)) {
      sumPlain(payload, end, sums, squares);
    }
    for (int j = end; j < elements; j++) {
      double entry = payload[j];
      sums[j % SUMS] += entry;
      squares[j % SUMS] += entry * entry;
    }
    return new FisherMoments(inPairs(sums) / divisor, inPairs(squares) / divisor / divisor);
  }

  /** Computes two sums at a time, which stay in registers. */
  private static void sumPlain(float[] payload, int end, double[] sums, double[] squares) {
    for (int lane = 0; lane < SUMS; lane += 2) {
      double even = 0;
      double odd = 0;
      double evenSquares = 0;
      double oddSquares = 0;
      for (int j = lane; j < end; j += SUMS) {
        double first = payload[j];
        double second = payload[j + 1];
        even += first;
        odd += second;
        evenSquares += first * first;
        oddSquares += second * second;
      }
      sums[lane] = even;
      sums[lane + 1] = odd;
      squares[lane] = evenSquares;
      squares[lane + 1] = oddSquares;
    }
  }

  private static double inPairs(double[] sums) {
    for (int half = SUMS / 2; half > 0; half /= 2) {
      for (int i = 0; i < half; i++) {
        sums[i] += sums[i + half];
      }
    }
    return sums[0];
  }
}
