package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CoordinatorAliasTest extends CoordinatorFixture {
  private final Map<String, Alias> seen = new HashMap<>();

  /** Release n begins at offset 10 n in every partition. */
  private void makeReleases(long from, long to) {
    for (long release = from; release <= to; release++) {
      mergedEnds = List.of(10 * release, 10 * release, 10 * release);
      if (release == 1) {
        arriveBase();
      }
      arrive("a", release);
      assertThat(plans()).extracting(MergePlan::getRelease).containsExactly(release);
      allDone(release);
    }
  }

  private void ask(String alias, String request, AliasAction action, long release) {
    stage.pipe(
        topics.aliasRequests(),
        alias,
        new AliasRequest(request, action, release, 0L, 0L, null, false));
  }

  private Alias answer(String alias, String request, AliasAction action, long release) {
    ask(alias, request, action, release);
    List<Alias> answers = stage.values(topics.aliases());
    assertThat(answers).hasSize(1);
    assertThat(answers.get(0).getAlias()).isEqualTo(alias);
    assertThat(answers.get(0).getRequest()).isEqualTo(request);
    seen.put(alias, answers.get(0));
    return answers.get(0);
  }

  @Test
  void anAliasMovesToReleasesThatAreKeptAndRollsBackThroughThem() {
    makeReleases(1, 3);
    assertThat(answer("production", "r1", AliasAction.SET, 1).getRelease()).isEqualTo(1);
    assertThat(answer("production", "r2", AliasAction.SET, 3).getEarlier()).containsExactly(1L);
    Alias rejected = answer("production", "r3", AliasAction.SET, 4);
    assertThat(rejected.getRefusal()).contains("there is no release 4: the newest is 3");
    assertThat(rejected.getRelease()).isEqualTo(3);
    stage.restart();
    assertThat(answer("production", "r3", AliasAction.SET, 2))
        .as("the request that was answered before the restart")
        .isEqualTo(rejected);
    assertThat(answer("production", "r4", AliasAction.SET, 2).getEarlier()).containsExactly(3L, 1L);
    assertThat(answer("production", "r5", AliasAction.ROLLBACK, 0).getRelease()).isEqualTo(3);
    assertThat(answer("production", "r6", AliasAction.ROLLBACK, 0).getRelease()).isEqualTo(1);
    Alias end = answer("production", "r7", AliasAction.ROLLBACK, 0);
    assertThat(end.getRelease()).isEqualTo(1);
    assertThat(end.getRefusal()).contains("production has no earlier release");
  }

  @Test
  void anAliasThatIsRemovedHoldsNoReleaseAndCanBeSetAgain() {
    stage.close();
    start(Set.of(), 1, Duration.ZERO);
    assertThat(answer("production", "r1", AliasAction.REMOVE, 0).getRefusal())
        .contains("there is no alias production");
    makeReleases(1, 1);
    answer("production", "r2", AliasAction.SET, 1);
    makeReleases(2, 2);
    answer("production", "r3", AliasAction.SET, 2);
    makeReleases(3, 4);
    assertThat(cuts).as("the alias and its rollback").endsWith(10L);
    Alias removed = answer("production", "r4", AliasAction.REMOVE, 0);
    assertThat(removed.getRefusal()).isEmpty();
    assertThat(removed.getRelease()).isZero();
    assertThat(removed.getEarlier()).isEmpty();
    stage.restart();
    stage.advance(Duration.ofMinutes(1)); // the driver's clock starts anew
    assertThat(answer("production", "r4", AliasAction.REMOVE, 0))
        .as("the request that was answered before the restart")
        .isEqualTo(removed);
    assertThat(answer("production", "r5", AliasAction.ROLLBACK, 0).getRefusal()).isNotEmpty();
    makeReleases(5, 6);
    assertThat(cuts).endsWith(50L);
    assertThat(answer("production", "r6", AliasAction.SET, 6).getEarlier()).isEmpty();
  }

  @Test
  void aPlanUnderWayOrAbandonedAcceptsNoAlias() {
    arriveBase();
    arrive("a", 1);
    plans();
    assertThat(answer("production", "r1", AliasAction.SET, 1).getRefusal())
        .isEqualTo("release 1 is not complete yet");
    arrive("b", 1);
    plans();
    assertThat(answer("production", "r2", AliasAction.SET, 1).getRefusal())
        .isEqualTo("release 1 has no tensors: it was abandoned or rejected");
    allDone(2);
    assertThat(answer("production", "r3", AliasAction.SET, 2).getRefusal()).isEmpty();
  }

  @Test
  void anAliasHoldsItsReleaseAndItsRollbackAgainstRetention() {
    stage.close();
    start(Set.of(), 1, Duration.ZERO);
    makeReleases(1, 2);
    assertThat(answer("production", "r0", AliasAction.SET, 1).getRefusal())
        .as("release 1 was dropped when 2 was complete")
        .isEqualTo("the tensors of release 1 are no longer kept (coordinator.keep_releases)");
    answer("production", "r1", AliasAction.SET, 2);
    makeReleases(3, 4);
    assertThat(cuts).as("cut one release late").containsExactly(10L, 20L, 20L);
    answer("production", "r2", AliasAction.SET, 4);
    stage.restart();
    stage.advance(Duration.ofMinutes(1)); // the driver's clock starts anew
    makeReleases(5, 6);
    assertThat(cuts).endsWith(20L, 20L);
    assertThat(answer("production", "r3", AliasAction.ROLLBACK, 0).getRelease()).isEqualTo(2);
    answer("production", "r4", AliasAction.SET, 6);
    answer("production", "r5", AliasAction.SET, 5);
    makeReleases(7, 8);
    assertThat(cuts).endsWith(20L, 50L);
  }

  private Alias judge(String request, long release, boolean passed) {
    return judge(request, release, passed, 0.5);
  }

  /** After release 1 with an accuracy of 0.9. */
  private Alias judge(String request, long release, boolean passed, double accuracy) {
    Alias before = seen.getOrDefault("production", nowhere());
    return judge(request, release, passed, accuracy, before);
  }

  private Alias judge(String request, long release, boolean passed, double accuracy, Alias before) {
    GateVerdict verdict =
        new GateVerdict(
            passed,
            "as " + request + " says",
            accuracy,
            1L,
            0.9,
            0.1,
            List.of(),
            false,
            List.of(),
            List.of());
    stage.pipe(
        topics.aliasRequests(),
        "production",
        new AliasRequest(
            request,
            AliasAction.JUDGE,
            release,
            before.getRelease(),
            before.getBaseline(),
            verdict,
            false));
    Alias answer = stage.values(topics.aliases()).get(0);
    seen.put("production", answer);
    return answer;
  }

  private static Alias nowhere() {
    return AliasName.unset("production");
  }

  @Test
  void aVerdictThatComparedWithWhatTheAliasIsNoLongerMovesAndRejectsNothing() {
    makeReleases(1, 4);
    releases();
    Alias first = answer("production", "r1", AliasAction.SET, 1);
    Alias second = judge("r2", 2, true, 0.85, first);
    assertThat(second.getRelease()).isEqualTo(2);
    assertThat(second.getBaseline()).isEqualTo(1);
    assertThat(releases()).hasSize(1);
    Alias rolledBack = answer("production", "r3", AliasAction.ROLLBACK, 0);
    for (boolean passed : new boolean[] {true, false}) {
      Alias stays = judge("r4 " + passed, 3, passed, 0.8, second);
      assertThat(stays.getRelease()).isEqualTo(1);
      assertThat(stays.getRefusal()).contains("moved while release 3 was judged");
    }
    assertThat(judge("r5", 3, true, 0.8, nowhere()).getRefusal()).isNotEmpty();
    assertThat(releases()).as("release 3 is not judged").isEmpty();
    assertThat(judge("r6", 3, true, 0.85, rolledBack).getRelease()).isEqualTo(3);
    Alias baselined = seen.get("production");
    answer("production", "r7", AliasAction.SET, 3); // somebody is content with the fall
    assertThat(judge("r8", 4, false, 0.7, baselined).getRefusal()).contains("moved while");
    assertThat(releases()).extracting(Release::getRelease).containsExactly(3L);
  }

  @Test
  void aReleaseThatPassesTheGateTakesTheAliasAndCarriesTheVerdict() {
    makeReleases(1, 1);
    Release complete = releases().get(0);
    assertThat(judge("r1", 1, true).getRelease()).isEqualTo(1);
    Release judged = releases().get(0);
    assertThat(judged.getVerdict().getReason()).isEqualTo("as r1 says");
    judged.setVerdict(null);
    assertThat(judged).as("nothing else of it changes").isEqualTo(complete);
  }

  @Test
  void aReleaseThatPassesWhileTheAliasIsHeldIsJudgedAndSaysSo() {
    makeReleases(1, 3);
    releases();
    answer("production", "r1", AliasAction.SET, 1);
    answer("production", "r2", AliasAction.HOLD, 0);
    stage.restart();
    assertThat(judge("r3", 2, true).getRelease()).isEqualTo(1);
    Release judged = releases().get(0);
    assertThat(judged.getStatus()).isEqualTo(ReleaseStatus.COMPLETE);
    assertThat(judged.getVerdict().getHeld()).isTrue();
    assertThat(judged.getVerdict().getReason())
        .isEqualTo("as r3 says; alias production is held at release 1");
    answer("production", "r4", AliasAction.UNHOLD, 0);
    assertThat(judge("r5", 3, true).getRelease()).isEqualTo(3);
  }

  @Test
  void aReleaseThatTheGateRejectsIsPublishedAsSuchAndTheAliasStays() {
    makeReleases(1, 2);
    releases();
    judge("r1", 1, true);
    releases();
    Alias stayed = judge("r2", 2, false);
    assertThat(stayed.getRelease()).isEqualTo(1);
    assertThat(stayed.getRefusal()).contains("release 2 is rejected: as r2 says");
    assertThat(releases())
        .singleElement()
        .satisfies(
            release -> {
              assertThat(release.getRelease()).isEqualTo(2);
              assertThat(release.getStatus()).isEqualTo(ReleaseStatus.REJECTED);
              assertThat(release.getReason()).isEqualTo("as r2 says");
              assertThat(release.getShards()).isEqualTo(2 + 3 + 4);
            });
    stage.restart();
    assertThat(answer("staging", "r3", AliasAction.SET, 2).getRefusal())
        .isEqualTo("release 2 was rejected: as r2 says");
    assertThat(judge("r4", 2, true).getRefusal()).as("judged once").isNotEmpty();
    assertThat(releases()).isEmpty();
    makeReleases(3, 3);
    judge("r5", 3, true);
    assertThat(answer("production", "r6", AliasAction.ROLLBACK, 0).getRelease()).isEqualTo(1);
  }

  @Test
  void theBetterReferenceOfAReleaseThatPassedIsTheBaselineUntilSomebodyMovesTheAlias() {
    makeReleases(1, 5);
    assertThat(answer("production", "r1", AliasAction.SET, 1).getBaseline()).isZero();
    assertThat(judge("r2", 2, true, 0.85).getBaseline()).isEqualTo(1);
    assertThat(judge("r3", 3, false, 0.75).getBaseline()).isEqualTo(1);
    assertThat(judge("r4", 4, true, 0.9).getBaseline()).as("as good as the best").isZero();
    assertThat(judge("r5", 5, true, 0.85).getBaseline()).isEqualTo(1);
    stage.restart();
    assertThat(answer("production", "r6", AliasAction.SET, 9).getBaseline()).isEqualTo(1);
    assertThat(answer("production", "r7", AliasAction.SET, 5).getBaseline()).isZero();
    assertThat(answer("production", "r8", AliasAction.ROLLBACK, 0).getBaseline()).isZero();
  }

  @Test
  void aVerdictOnAReleaseThatIsNotKeptChangesNothing() {
    stage.close();
    start(Set.of(), 1, Duration.ZERO);
    makeReleases(1, 2);
    releases();
    assertThat(judge("r1", 1, false).getRefusal())
        .contains("the tensors of release 1 are no longer kept");
    assertThat(judge("r2", 7, true).getRefusal())
        .contains("there is no release 7: the newest is 2");
    assertThat(releases()).isEmpty();
  }

  @Test
  void aRejectedReleaseIsNoRollbackAndIsDroppedLikeOthers() {
    stage.close();
    start(Set.of(), 1, Duration.ZERO);
    makeReleases(1, 1);
    answer("production", "r1", AliasAction.SET, 1);
    makeReleases(2, 2);
    answer("production", "r2", AliasAction.SET, 2);
    makeReleases(3, 3);
    judge("r3", 3, false);
    makeReleases(4, 5);
    answer("production", "r4", AliasAction.SET, 5);
    makeReleases(6, 7);
    assertThat(cuts).as("2 is the rollback, so 3 and 4 stay behind it").endsWith(20L);
    assertThat(answer("production", "r5", AliasAction.ROLLBACK, 0).getRelease()).isEqualTo(2);
  }

  @Test
  void aReleaseYoungerThanTheKeptAgeKeepsItsTensors() {
    stage.close();
    start(Set.of(), 1, Duration.ofHours(2));
    makeReleases(1, 3);
    wallClock = wallClock.plus(Duration.ofHours(3));
    makeReleases(4, 5);
    assertThat(cuts).containsExactly(10L, 10L, 10L, 40L);
  }

  @Test
  void aRequestThatCannotBeAnsweredIsDeadLettered() {
    ask("7", "r1", AliasAction.SET, 1);
    ask("a b", "r2", AliasAction.SET, 1);
    ask("production", "r3", AliasAction.UNKNOWN, 1);
    ask("production", "r4", AliasAction.JUDGE, 1);
    stage.pipe(topics.aliasRequests(), "production", null);
    assertThat(stage.values(topics.aliases())).isEmpty();
    assertThat(stage.reasons(topics))
        .satisfiesExactly(
            reason -> assertThat(reason).contains("alias '7'"),
            reason -> assertThat(reason).contains("alias 'a b'"),
            reason -> assertThat(reason).contains("unknown action"),
            reason -> assertThat(reason).contains("has no verdict"),
            reason -> assertThat(reason).contains("tombstones"));
  }
}
