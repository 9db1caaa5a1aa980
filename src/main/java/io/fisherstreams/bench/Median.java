package io.fisherstreams.bench;

import java.util.Arrays;

/** The middle of a few measurements. */
final class Median {
  private Median() {}

  static double of(double[] measurements) {
    return Arrays.stream(measurements).sorted().toArray()[measurements.length / 2];
  }
}
