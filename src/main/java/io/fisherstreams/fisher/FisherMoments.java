package io.fisherstreams.fisher;

/**
 * Sums over the entries of one shard's diagonal Fisher, in float64: those of even and those of odd
 * index apart and in order, since a single sum would wait for its own last addition.
 *
 * @param total {@code Σ_j F[j]}
 * @param squares {@code Σ_j F[j]²}
 */
public record FisherMoments(double total, double squares) {
  /** The moments of {@code F[j] = payload[j] / divisor} over the first {@code elements} entries. */
  public static FisherMoments of(float[] payload, int elements, double divisor) {
    double even = 0;
    double odd = 0;
    double evenSquares = 0;
    double oddSquares = 0;
    for (int j = 0; j < elements - 1; j += 2) {
      double first = payload[j];
      double second = payload[j + 1];
      even += first;
      odd += second;
      evenSquares += first * first;
      oddSquares += second * second;
    }
    if (elements % 2 != 0) {
      double last = payload[elements - 1];
      even += last;
      evenSquares += last * last;
    }
    return new FisherMoments(
        (even + odd) / divisor, (evenSquares + oddSquares) / divisor / divisor);
  }
}
