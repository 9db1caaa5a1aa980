package io.fisherstreams.gradient.model;

/**
 * Numbers in [0, 1) that depend on a seed and on where they are used alone. SplitMix64's increment
 * and finaliser (Steele, Lea and Flood 2014) mix the seed and each coordinate.
 *
 * @param seed of all numbers
 */
public record SeededDraws(long seed) {
  private static final long GOLDEN = 0x9E3779B97F4A7C15L;

  /** The number at some coordinates, such as an example's index and a draw. */
  public double uniform(long... coordinates) {
    long state = mix(seed);
    for (long coordinate : coordinates) {
      state = mix(state + coordinate);
    }
    return (state >>> 11) * 0x1p-53;
  }

  private static long mix(long value) {
    long z = value + GOLDEN;
    z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
    z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
    return z ^ (z >>> 31);
  }
}
