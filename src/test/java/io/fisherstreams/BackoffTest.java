package io.fisherstreams;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.HashSet;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;

class BackoffTest {
  private static final Duration FIRST = Duration.ofMillis(100);
  private static final Duration MAX = Duration.ofMillis(700);

  @Test
  void eachWaitIsInTheUpperHalfOfABoundThatDoublesUpToTheMaximum() {
    for (int seed = 0; seed < 200; seed++) {
      Backoff backoff = new Backoff(FIRST, MAX, new Random(seed));
      for (long bound : new long[] {100, 200, 400, 700, 700, 700}) {
        assertThat(backoff.next())
            .isGreaterThan(Duration.ofMillis(bound / 2))
            .isLessThanOrEqualTo(Duration.ofMillis(bound));
      }
    }
  }

  @Test
  void twoInstancesWaitDifferently() {
    Set<Duration> waits = new HashSet<>();
    for (int seed = 0; seed < 50; seed++) {
      waits.add(new Backoff(FIRST, MAX, new Random(seed)).next());
    }
    assertThat(waits).hasSizeGreaterThan(40);
  }

  @Test
  void equalSeedsWaitEqually() {
    Backoff a = new Backoff(FIRST, MAX, new Random(7));
    Backoff b = new Backoff(FIRST, MAX, new Random(7));
    for (int i = 0; i < 10; i++) {
      assertThat(a.next()).isEqualTo(b.next());
    }
  }

  @Test
  void successBeginsAgainWithTheFirstWait() {
    Backoff backoff = new Backoff(FIRST, MAX, new Random(1));
    for (int i = 0; i < 5; i++) {
      backoff.next();
    }
    backoff.reset();
    assertThat(backoff.next()).isLessThanOrEqualTo(FIRST);
  }

  @Test
  void rejectsBoundsThatMakeNoSense() {
    assertThatThrownBy(() -> new Backoff(Duration.ZERO, MAX))
        .isInstanceOf(IllegalArgumentException.class);
    assertThatThrownBy(() -> new Backoff(MAX, FIRST)).isInstanceOf(IllegalArgumentException.class);
  }
}
