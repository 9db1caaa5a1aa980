package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import org.junit.jupiter.api.Test;

class ConfidenceIntervalTest {
  @Test
  void oneAccuracyHasWilsonsInterval() {
    // Newcombe 1998 (Statistics in Medicine 17), table I, method 3: 81 of 263, 15 of 148, 0 of 20.
    assertInterval(ConfidenceInterval.of(81 / 263.0, 263), 0.2553, 0.3662);
    assertInterval(ConfidenceInterval.of(15 / 148.0, 148), 0.0624, 0.1605);
    assertInterval(ConfidenceInterval.of(0, 20), 0, 0.1611);
  }

  @Test
  void theMeanOfEqualAccuraciesIsNoMoreCertainThanOne() {
    assertInterval(
        ConfidenceInterval.ofMean(List.of(0.5, 0.5, 0.5), 100),
        0.5 - 1.96 * 0.05,
        0.5 + 1.96 * 0.05);
  }

  @Test
  void anIntervalEndsAtZeroAndOne() {
    assertInterval(ConfidenceInterval.ofMean(List.of(0.99), 4), 0.99 - 1.96 * 0.04975, 1);
  }

  private static void assertInterval(ConfidenceInterval interval, double low, double high) {
    assertThat(interval.low()).isCloseTo(low, within(1e-4));
    assertThat(interval.high()).isCloseTo(high, within(1e-4));
  }
}
