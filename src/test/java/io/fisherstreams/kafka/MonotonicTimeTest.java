package io.fisherstreams.kafka;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.time.Duration;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.errors.TimeoutException;
import org.junit.jupiter.api.Test;

class MonotonicTimeTest {
  private final AtomicLong nanos = new AtomicLong(Long.MAX_VALUE - 5_000_000);
  private final AtomicLong wallClock = new AtomicLong(1_700_000_000_000L);
  private final MonotonicTime time = new MonotonicTime(nanos::get, wallClock::get);

  @Test
  void aSteppedClockDoesNotMoveIt() {
    wallClock.addAndGet(-Duration.ofMinutes(2).toMillis());
    assertThat(time.milliseconds()).isEqualTo(1_700_000_000_000L);
    wallClock.addAndGet(Duration.ofHours(4).toMillis());
    assertThat(time.milliseconds()).isEqualTo(1_700_000_000_000L);
  }

  /** {@link System#nanoTime} may overflow. */
  @Test
  void runsWithTheMonotonicClock() {
    nanos.addAndGet(Duration.ofSeconds(10).toNanos());
    assertThat(time.milliseconds()).isEqualTo(1_700_000_010_000L);
  }

  @Test
  void aWaitEndsAtItsDeadlineOrWhenTheConditionIsMet() throws InterruptedException {
    time.waitObject(this, () -> true, 0);
    assertThatThrownBy(() -> time.waitObject(this, () -> false, time.milliseconds()))
        .isInstanceOf(TimeoutException.class);
  }
}
