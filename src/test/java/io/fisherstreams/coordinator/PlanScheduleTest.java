package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import java.time.Duration;
import java.util.Set;
import org.junit.jupiter.api.Test;

class PlanScheduleTest {
  private static final long START = 5_000;

  private final PlanSchedule schedule = new PlanSchedule(PlanPolicy.standard());

  @Test
  void nothingIsDueWithoutAChange() {
    assertThat(schedule.isDue(START)).isFalse();
    assertThat(schedule.isDue(Long.MAX_VALUE)).isFalse();
  }

  @Test
  void aChangeIsDueAfterAFifthOfASecondOfQuiet() {
    schedule.changed(START);
    assertThat(schedule.isDue(START + 199)).isFalse();
    assertThat(schedule.isDue(START + 200)).isTrue();
  }

  @Test
  void everyChangeStartsTheQuietAnew() {
    schedule.changed(START);
    schedule.changed(START + 150);
    assertThat(schedule.isDue(START + 349)).isFalse();
    assertThat(schedule.isDue(START + 350)).isTrue();
  }

  @Test
  void changesWithoutPauseAreDueTwoSecondsAfterTheFirst() {
    for (long now = START; now <= START + 1_999; now++) {
      schedule.changed(now);
      assertThat(schedule.isDue(now)).isFalse();
    }
    schedule.changed(START + 2_000);
    assertThat(schedule.isDue(START + 2_000)).isTrue();
  }

  @Test
  void aChangeThatIsTakenBackIsNotDueAndDoesNotCountForTheNext() {
    schedule.changed(START);
    schedule.settled();
    assertThat(schedule.isDue(START + 10_000)).isFalse();
    schedule.changed(START + 10_000);
    assertThat(schedule.isDue(START + 10_199)).as("2 s after the first").isFalse();
    assertThat(schedule.isDue(START + 10_200)).isTrue();
  }

  @Test
  void aWatchedPoolIsPlannedAtOnce() {
    PlanSchedule atOnce = new PlanSchedule(PlanPolicy.atOnce(Set.of()));
    atOnce.changed(START);
    assertThat(atOnce.isDue(START)).isTrue();
  }

  @Test
  void theLongestWaitHoldsForAnyPolicy() {
    PlanSchedule slow =
        new PlanSchedule(
            new PlanPolicy(
                Duration.ofSeconds(7), Duration.ofSeconds(9), 1, Duration.ZERO, Set.of()));
    slow.changed(START);
    slow.changed(START + 6_000);
    assertThat(slow.isDue(START + 8_999)).isFalse();
    assertThat(slow.isDue(START + 9_000)).as("3 s after the last change").isTrue();
  }

  @Test
  void thePlanAfterThreeAbandonedOnesIsLeftToFinish() {
    assertThat(PlanSchedule.letsFinish(0)).isFalse();
    assertThat(PlanSchedule.letsFinish(2)).isFalse();
    assertThat(PlanSchedule.letsFinish(3)).isTrue();
    assertThat(PlanSchedule.letsFinish(4)).isTrue();
  }
}
