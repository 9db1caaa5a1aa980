package io.fisherstreams.bench;

import java.util.Arrays;

/** The median of an odd number of measurements; of an even number, the upper middle one. */
final class Median {
  private Median() {}

  static double of(double[] measurements) {
    return Arrays.stream(measurements).sorted().toArray()[measurements.length / 2];
  }
}
