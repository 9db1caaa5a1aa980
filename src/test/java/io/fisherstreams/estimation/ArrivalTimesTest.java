package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.ModelVersion;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

class ArrivalTimesTest {
  private static final long MILLI = 1_000_000L;
  private static final ModelVersion A = new ModelVersion("a", 1);
  private static final ModelVersion B = new ModelVersion("b", 1);

  private final ArrivalTimes arrivals = new ArrivalTimes(Duration.ofMillis(300));

  @Test
  void aVersionIsIdleUntilAnExampleArrivesAndAfterTheLinger() {
    assertThat(arrivals.isIdle(A, 0)).isTrue();
    arrivals.example(A, 100 * MILLI);
    assertThat(arrivals.isIdle(A, 399 * MILLI)).isFalse();
    assertThat(arrivals.isIdle(A, 400 * MILLI)).isTrue();
    assertThat(arrivals.isIdle(B, 100 * MILLI)).isTrue();
  }

  @Test
  void versionsThatAreNotRetainedAreForgotten() {
    arrivals.example(A, 0);
    arrivals.example(B, 0);
    arrivals.retain(List.of(B));
    assertThat(arrivals.isIdle(A, 0)).isTrue();
    assertThat(arrivals.isIdle(B, 0)).isFalse();
  }

  @Test
  void anyRecordEndsTheQuiet() {
    arrivals.record(100 * MILLI);
    assertThat(arrivals.isQuiet(399 * MILLI)).isFalse();
    assertThat(arrivals.isQuiet(400 * MILLI)).isTrue();
  }

  @Test
  void aLongLingerLeavesTheQuietAtASecond() {
    ArrivalTimes days = new ArrivalTimes(Duration.ofDays(1));
    days.record(0);
    assertThat(days.isQuiet(999 * MILLI)).isFalse();
    assertThat(days.isQuiet(1000 * MILLI)).isTrue();
  }

  @Test
  void theClockMayHaveAnyOrigin() {
    arrivals.example(A, Long.MAX_VALUE - MILLI);
    assertThat(arrivals.isIdle(A, Long.MIN_VALUE + MILLI)).as("2 ms later").isFalse();
  }
}
