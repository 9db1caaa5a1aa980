package io.fisherstreams.fisher;

/**
 * Sums over the entries of one shard's diagonal Fisher, in float64 and in the order of the entries.
 *
 * @param total {@code Σ_j F[j]}
 * @param squares {@code Σ_j F[j]²}
 */
public record FisherMoments(double total, double squares) {
  /** The moments of {@code F[j] = payload[j] / divisor} over the first {@code elements} entries. */
  public static FisherMoments of(float[] payload, int elements, double divisor) {
    double total = 0;
    double squares = 0;
    for (int j = 0; j < elements; j++) {
      double entry = payload[j] / divisor;
      total += entry;
      squares += entry * entry;
    }
    return new FisherMoments(total, squares);
  }
}
