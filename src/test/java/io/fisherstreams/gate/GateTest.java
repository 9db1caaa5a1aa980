package io.fisherstreams.gate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.TaskAccuracy;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** The gate's decisions in a pool that obeys them at once. */
class GateTest {
  private final Map<Long, Release> releases = new HashMap<>();
  private final Map<Long, double[]> accuracies = new HashMap<>();
  private final List<Long> measured = new ArrayList<>();
  private final List<GateVerdict> verdicts = new ArrayList<>();
  private Long alias;

  private final Gate.Pool pool =
      new Gate.Pool() {
        @Override
        public Map<Long, Release> releases() {
          return releases;
        }

        @Override
        public Optional<Alias> alias() {
          return Optional.ofNullable(alias)
              .map(id -> new Alias("production", id, List.of(), Instant.EPOCH, "", ""));
        }

        @Override
        public Optional<List<TaskAccuracy>> measure(Release release) {
          measured.add(release.getRelease());
          double[] found = accuracies.get(release.getRelease());
          if (found == null) {
            return Optional.empty();
          }
          if (found.length == 0) {
            throw new InvalidInput("the logit is NaN");
          }
          List<TaskAccuracy> tasks = new ArrayList<>();
          for (double accuracy : found) {
            tasks.add(new TaskAccuracy("task" + tasks.size(), 100L, accuracy));
          }
          return Optional.of(tasks);
        }

        @Override
        public Alias judge(long id, GateVerdict verdict) {
          verdicts.add(verdict);
          releases.get(id).setVerdict(verdict);
          if (verdict.getPassed()) {
            alias = id;
          } else {
            releases.get(id).setStatus(ReleaseStatus.REJECTED);
          }
          return alias().orElseThrow();
        }
      };

  private final Gate gate = new Gate(0.125, pool);

  private void release(long id, double... found) {
    MergePlan plan =
        new MergePlan(id, Instant.EPOCH, "", "base", 1L, new MergeMethod(), List.of(), List.of());
    releases.put(
        id,
        new Release(
            id, ReleaseStatus.COMPLETE, Instant.EPOCH, "", plan, List.of(), 1L, "", 0L, null));
    if (found != null) {
      accuracies.put(id, found);
    }
    gate.judge(id);
  }

  @Test
  void theFirstReleasePassesWithNothingToCompareWith() {
    release(1, 0.25);
    assertThat(alias).isEqualTo(1);
    assertThat(verdicts.get(0).getReferenceAccuracy()).isNull();
  }

  @Test
  void aFallOfExactlyTheLimitPassesAndALargerOneDoesNot() {
    release(1, 0.75, 0.5); // mean 0.625
    release(2, 0.5, 0.5); // 0.125 less
    assertThat(alias).isEqualTo(2);
    release(3, 0.5, 0.25); // exactly 0.125 less again
    assertThat(alias).isEqualTo(3);
    release(4, 0.25, 0.24);
    assertThat(alias).isEqualTo(3);
    GateVerdict verdict = verdicts.get(3);
    assertThat(verdict.getPassed()).isFalse();
    assertThat(verdict.getAccuracy()).isEqualTo(0.245);
    assertThat(verdict.getReferenceRelease()).isEqualTo(3);
    assertThat(verdict.getReferenceAccuracy()).isEqualTo(0.375);
    assertThat(verdict.getReason())
        .isEqualTo("accuracy 0.2450 after 0.3750 of release 3: it fell by more than 0.1250");
    release(5, 0.25, 0.25); // compared with 3, not with the rejected 4
    assertThat(alias).isEqualTo(5);
  }

  @Test
  void eachReleaseIsMeasuredOnceWhileTheAliasStays() {
    release(1, 0.5);
    release(2, 0.1);
    release(3, 0.2);
    release(4, 0.6);
    assertThat(measured).containsExactly(1L, 2L, 3L, 4L);
  }

  @Test
  void whatIsJudgedOrOlderThanTheAliasIsPassedOver() {
    release(2, 0.5);
    gate.judge(2);
    release(1, 0.1);
    assertThat(verdicts).hasSize(1);
    assertThat(releases.get(1L).getStatus()).isEqualTo(ReleaseStatus.COMPLETE);
  }

  @Test
  void aReleaseThatCannotBeRunIsRejectedWhenTheReferenceCan() {
    release(1, 0.5);
    release(2);
    assertThat(releases.get(2L).getStatus()).isEqualTo(ReleaseStatus.REJECTED);
    assertThat(verdicts.get(1).getReason()).isEqualTo("it cannot be evaluated: the logit is NaN");
  }

  @Test
  void examplesOnWhichNothingRunsEndTheGate() {
    assertThatThrownBy(() -> release(1)).isInstanceOf(InvalidInput.class);
    assertThat(verdicts).isEmpty();
  }

  @Test
  void aReleaseWhoseTensorsAreGoneIsNotJudged() {
    release(1, 0.5);
    release(2, (double[]) null);
    assertThat(verdicts).hasSize(1);
    assertThat(alias).isEqualTo(1);
  }

  @Test
  void aReferenceWhoseTensorsAreGoneCountsAsItsVerdictSays() {
    release(1, 0.5);
    accuracies.remove(1L);
    Gate restarted = new Gate(0.125, pool);
    release(2, (double[]) null);
    accuracies.put(2L, new double[] {0.25});
    restarted.judge(2);
    assertThat(verdicts.get(1).getPassed()).isFalse();
    assertThat(verdicts.get(1).getReferenceAccuracy()).isEqualTo(0.5);
  }
}
