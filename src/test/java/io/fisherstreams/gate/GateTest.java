package io.fisherstreams.gate;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasName;
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
  private Runnable meanwhile = () -> {};
  private long alias;
  private long baseline;

  private final Gate.Pool pool =
      new Gate.Pool() {
        @Override
        public Map<Long, Release> releases() {
          return releases;
        }

        @Override
        public Alias alias() {
          return answer("");
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
            tasks.add(new TaskAccuracy("task" + tasks.size(), 100L, accuracy, null));
          }
          return Optional.of(tasks);
        }

        @Override
        public Alias judge(long id, GateVerdict verdict, Alias seen) {
          meanwhile.run();
          if (seen.getRelease() != alias || seen.getBaseline() != baseline) {
            return answer("it was moved");
          }
          verdicts.add(verdict);
          releases.get(id).setVerdict(verdict);
          if (verdict.getPassed()) {
            alias = id;
            Double reference = verdict.getReferenceAccuracy();
            baseline =
                reference != null && verdict.getAccuracy() < reference
                    ? verdict.getReferenceRelease()
                    : 0;
          } else {
            releases.get(id).setStatus(ReleaseStatus.REJECTED);
          }
          return answer(verdict.getPassed() ? "" : "it is rejected");
        }

        private Alias answer(String rejection) {
          Alias answer = AliasName.unset("production");
          answer.setRelease(alias);
          answer.setBaseline(baseline);
          answer.setRefusal(rejection);
          return answer;
        }
      };

  private final Gate gate = new Gate(0.125, false, pool);

  private void release(long id, double... found) {
    complete(id, found);
    gate.judge(id);
  }

  /** A release that nobody has judged yet. */
  private void complete(long id, double... found) {
    MergePlan plan =
        new MergePlan(
            id,
            Instant.EPOCH,
            "",
            "base",
            1L,
            new MergeMethod(),
            List.of(),
            List.of(),
            0L,
            false,
            List.of(),
            List.of(),
            1.0,
            false);
    releases.put(
        id,
        new Release(
            id, ReleaseStatus.COMPLETE, Instant.EPOCH, "", plan, List.of(), 1L, "", 0L, null));
    if (found != null) {
      accuracies.put(id, found);
    }
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
    release(3, 0.5, 0.49);
    assertThat(alias).isEqualTo(2);
    GateVerdict verdict = verdicts.get(2);
    assertThat(verdict.getPassed()).isFalse();
    assertThat(verdict.getAccuracy()).isEqualTo(0.495);
    assertThat(verdict.getReferenceRelease()).isEqualTo(1);
    assertThat(verdict.getReferenceAccuracy()).isEqualTo(0.625);
    assertThat(verdict.getReason())
        .isEqualTo("accuracy 0.4950 after 0.6250 of release 1: it fell by more than 0.1250");
    release(4, 0.5, 0.5); // the rejected 3 is no reference
    assertThat(alias).isEqualTo(4);
  }

  @Test
  void fallsBelowTheLimitDoNotAddUpBeyondIt() {
    release(1, 0.75);
    release(2, 0.7);
    release(3, 0.65); // 0.1 below the best
    assertThat(alias).isEqualTo(3);
    release(4, 0.6); // 0.05 below release 3, 0.15 below the best
    assertThat(alias).isEqualTo(3);
    assertThat(verdicts.get(3).getReferenceRelease()).isEqualTo(1);
    release(5, 0.8); // a new best
    release(6, 0.7);
    release(7, 0.66);
    assertThat(alias).isEqualTo(6);
    assertThat(verdicts.get(6).getReferenceRelease()).isEqualTo(5);
  }

  @Test
  void anAliasThatSomebodySetsBeginsWithItsOwnReleaseAnew() {
    release(1, 0.75);
    release(2, 0.65);
    baseline = 0; // what the coordinator makes of a SET
    release(3, 0.55);
    assertThat(alias).isEqualTo(3);
    assertThat(verdicts.get(2).getReferenceRelease()).isEqualTo(2);
  }

  @Test
  void aBaselineThatIsGoneCountsAsTheLastVerdictOnItSays() {
    release(1, 0.75);
    releases.get(1L).setVerdict(null); // set by hand, never judged itself
    release(2, 0.65);
    accuracies.remove(1L);
    complete(3, 0.6);
    new Gate(0.125, false, pool).judge(3);
    assertThat(alias).isEqualTo(2);
    assertThat(verdicts.get(2).getReferenceRelease()).isEqualTo(1);
    assertThat(verdicts.get(2).getReferenceAccuracy()).isEqualTo(0.75);
  }

  @Test
  void aBaselineThatNewExamplesMakeTheWorseOfTheTwoIsNotTheReference() {
    release(1, 0.75);
    release(2, 0.65);
    accuracies.put(1L, new double[] {0.25});
    complete(3, 0.5);
    new Gate(0.125, false, pool).judge(3);
    assertThat(alias).isEqualTo(2);
    assertThat(verdicts.get(2).getReferenceRelease()).isEqualTo(2);
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
  void anAliasThatSomebodyMovesMeanwhileIsComparedAnew() {
    release(1, 0.75);
    release(2, 0.65);
    meanwhile =
        () -> {
          alias = 2; // set to where it is: somebody is content with release 2
          baseline = 0;
        };
    release(3, 0.55); // 0.2 below release 1
    assertThat(alias).isEqualTo(3);
    meanwhile = () -> alias = 1;
    release(4, 0.5); // 0.05 below release 3, 0.25 below release 1
    assertThat(alias).isEqualTo(1);
    assertThat(verdicts).hasSize(4);
    assertThat(verdicts.get(2).getReferenceRelease()).isEqualTo(2);
    assertThat(verdicts.get(3).getReferenceRelease()).isEqualTo(1);
    assertThat(measured).as("nothing is measured twice for it").containsExactly(1L, 2L, 3L, 4L, 1L);
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
    complete(2, 0.25);
    new Gate(0.125, false, pool).judge(2);
    assertThat(verdicts.get(1).getPassed()).isFalse();
    assertThat(verdicts.get(1).getReferenceAccuracy()).isEqualTo(0.5);
  }
}
