package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.RejectedRecord;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class AliasesTest {
  private static final Instant NOW = Instant.parse("2026-01-01T12:00:00Z");
  private static final Set<Long> KEPT = Set.of(1L, 2L, 3L);

  private final Aliases aliases = new Aliases();
  private int requests;

  private static String why(long release) {
    return "release " + release + " is gone";
  }

  private AliasRequest request(AliasAction action, long release) {
    return new AliasRequest("r" + requests++, action, release, 0L, 0L, null, false);
  }

  private Alias answer(AliasAction action, long release) {
    return answer(action, release, KEPT);
  }

  private Alias answer(AliasAction action, long release, Set<Long> kept) {
    return aliases.answer(
        "production", request(action, release), kept, AliasesTest::why, NOW, Optional.empty());
  }

  /** A verdict found while the alias pointed to {@code expected}. */
  private AliasRequest verdict(long release, boolean passed, long expected, long baseline) {
    GateVerdict verdict =
        new GateVerdict(passed, "worse", 0.8, 1L, 0.9, 0.1, List.of(), false, List.of(), List.of());
    return new AliasRequest(
        "r" + requests++, AliasAction.JUDGE, release, expected, baseline, verdict, false);
  }

  @Test
  void anAliasRemembersTenEarlierReleasesNewestFirst() {
    Set<Long> kept = Set.copyOf(LongStream.rangeClosed(1, 12).boxed().toList());
    Alias alias = null;
    for (long release = 1; release <= 12; release++) {
      alias = answer(AliasAction.SET, release, kept);
    }
    assertThat(alias.getRelease()).isEqualTo(12);
    assertThat(alias.getEarlier()).containsExactly(11L, 10L, 9L, 8L, 7L, 6L, 5L, 4L, 3L, 2L);
    assertThat(answer(AliasAction.SET, 12, kept).getEarlier())
        .as("set again where it is")
        .isEqualTo(alias.getEarlier());
  }

  @Test
  void aRollbackSkipsReleasesThatAreNotKept() {
    answer(AliasAction.SET, 1);
    answer(AliasAction.SET, 2);
    answer(AliasAction.SET, 3);
    Alias back = answer(AliasAction.ROLLBACK, 0, Set.of(1L, 3L));
    assertThat(back.getRelease()).isEqualTo(1);
    assertThat(back.getEarlier()).isEmpty();
    assertThat(back.getRefusal()).isEmpty();
    assertThat(back.getAt()).isEqualTo(NOW);
  }

  @Test
  void anAliasHoldsItsReleaseAndTheNewestKeptEarlierOne() {
    assertThat(aliases.held(KEPT)).isEmpty();
    answer(AliasAction.SET, 1);
    answer(AliasAction.SET, 2);
    answer(AliasAction.SET, 3);
    assertThat(aliases.held(KEPT)).containsExactlyInAnyOrder(3L, 2L);
    assertThat(aliases.held(Set.of(1L, 3L))).containsExactlyInAnyOrder(3L, 1L);
  }

  @Test
  void anAnswerThatIsReadBackIsGivenAgainForTheSameRequest() {
    AliasRequest request = request(AliasAction.SET, 2);
    Alias first =
        aliases.answer("production", request, KEPT, AliasesTest::why, NOW, Optional.empty());
    Aliases restarted = new Aliases();
    restarted.put(first);
    assertThat(
            restarted.answer(
                "production",
                request,
                Set.of(),
                AliasesTest::why,
                NOW.plusSeconds(9),
                Optional.empty()))
        .isEqualTo(first);
  }

  @Test
  void aVerdictCountsOnlyWhileTheAliasIsWhereItWasFound() {
    answer(AliasAction.SET, 1);
    assertThat(aliases.judges("production", verdict(2, true, 1, 0))).isTrue();
    assertThat(aliases.judges("production", verdict(2, true, 3, 0))).isFalse();
    assertThat(aliases.judges("production", verdict(2, true, 1, 3))).isFalse();
    assertThat(aliases.judges("production", request(AliasAction.SET, 1))).isFalse();
    assertThat(aliases.judges("production", null)).isFalse();
    Alias stays =
        aliases.answer(
            "production", verdict(2, true, 3, 0), KEPT, AliasesTest::why, NOW, Optional.empty());
    assertThat(stays.getRelease()).isEqualTo(1);
    assertThat(stays.getRefusal()).contains("alias production was moved while release 2");
  }

  @Test
  void aReleaseThatPassedBelowItsReferenceLeavesTheReferenceAsBaseline() {
    answer(AliasAction.SET, 1);
    Alias passed =
        aliases.answer(
            "production", verdict(2, true, 1, 0), KEPT, AliasesTest::why, NOW, Optional.empty());
    assertThat(passed.getRelease()).isEqualTo(2);
    assertThat(passed.getBaseline()).as("0.8 after 0.9").isEqualTo(1);
    Alias failed =
        aliases.answer(
            "production", verdict(3, false, 2, 1), KEPT, AliasesTest::why, NOW, Optional.empty());
    assertThat(failed.getRelease()).isEqualTo(2);
    assertThat(failed.getBaseline()).isEqualTo(1);
    assertThat(failed.getRefusal()).isEqualTo("release 3 is rejected: worse");
  }

  @Test
  void aRequestThatCannotBeAnsweredIsRejected() {
    assertRejected("7", request(AliasAction.SET, 1), "alias '7'");
    assertRejected("production", null, "tombstones");
    assertRejected("production", request(AliasAction.UNKNOWN, 1), "unknown action");
    assertRejected("production", request(AliasAction.JUDGE, 1), "has no verdict");
    assertThat(aliases.held(KEPT)).isEmpty();
  }

  private void assertRejected(String name, AliasRequest request, String reason) {
    assertThatExceptionOfType(RejectedRecord.class)
        .isThrownBy(
            () -> aliases.answer(name, request, KEPT, AliasesTest::why, NOW, Optional.empty()))
        .withMessageContaining(reason);
  }

  @Test
  void whatMovesNothingLeavesTheAliassTime() {
    Alias set = answer(AliasAction.SET, 1);
    Instant later = NOW.plusSeconds(60);
    for (AliasRequest request :
        List.of(
            request(AliasAction.SET, 9),
            request(AliasAction.ROLLBACK, 0),
            verdict(2, false, 1, 0),
            verdict(9, true, 1, 0),
            verdict(2, true, 3, 0),
            request(AliasAction.HOLD, 0),
            verdict(2, true, 1, 0),
            request(AliasAction.UNHOLD, 0))) {
      Alias answer =
          aliases.answer("production", request, KEPT, AliasesTest::why, later, Optional.empty());
      assertThat(answer.getAt()).as("%s", request).isEqualTo(NOW);
      assertThat(answer.getRelease()).isEqualTo(1);
      assertThat(answer.getEarlier()).isEqualTo(set.getEarlier());
      assertThat(answer.getAction()).isEqualTo(request.getAction());
    }
    assertThat(
            aliases
                .answer(
                    "production",
                    request(AliasAction.SET, 2),
                    KEPT,
                    AliasesTest::why,
                    later,
                    Optional.empty())
                .getAt())
        .isEqualTo(later);
  }

  @Test
  void theReasonOfARejectionIsTheReleases() {
    assertThat(answer(AliasAction.SET, 9).getRefusal()).isEqualTo("release 9 is gone");
    assertThat(
            aliases
                .answer(
                    "production",
                    verdict(9, true, 0, 0),
                    KEPT,
                    AliasesTest::why,
                    NOW,
                    Optional.empty())
                .getRefusal())
        .isEqualTo("release 9 is gone");
  }

  @Test
  void aHeldAliasStaysWhenAReleasePassesAndCommandsMoveIt() {
    answer(AliasAction.SET, 1);
    answer(AliasAction.SET, 2);
    AliasRequest back = request(AliasAction.ROLLBACK, 0);
    back.setHold(true);
    Alias held = aliases.answer("production", back, KEPT, AliasesTest::why, NOW, Optional.empty());
    assertThat(held.getRelease()).isEqualTo(1);
    assertThat(held.getHeld()).isTrue();
    AliasRequest passes = verdict(3, true, 1, 0);
    assertThat(aliases.judges("production", passes)).as("the release is judged").isTrue();
    Alias stays =
        aliases.answer("production", passes, KEPT, AliasesTest::why, NOW, Optional.empty());
    assertThat(stays.getRelease()).isEqualTo(1);
    assertThat(stays.getBaseline()).isZero();
    assertThat(stays.getRefusal())
        .isEqualTo("release 3 passed, but alias production is held at release 1");
    GateVerdict recorded = aliases.recorded("production", passes.getVerdict());
    assertThat(recorded.getHeld()).isTrue();
    assertThat(recorded.getReason()).isEqualTo("worse; alias production is held at release 1");
    Alias moved = answer(AliasAction.SET, 2);
    assertThat(moved.getRelease()).isEqualTo(2);
    assertThat(moved.getHeld()).as("by a command").isTrue();
    assertThat(answer(AliasAction.UNHOLD, 0).getHeld()).isFalse();
    assertThat(aliases.recorded("production", passes.getVerdict())).isEqualTo(passes.getVerdict());
    assertThat(
            aliases
                .answer(
                    "production",
                    verdict(3, true, 2, 0),
                    KEPT,
                    AliasesTest::why,
                    NOW,
                    Optional.empty())
                .getRelease())
        .isEqualTo(3);
  }

  @Test
  void onlyAnAliasThatPointsSomewhereIsHeldAndARemovalEndsTheHold() {
    assertThat(answer(AliasAction.HOLD, 0).getRefusal()).isEqualTo("there is no alias production");
    AliasRequest set = request(AliasAction.SET, 1);
    set.setHold(true);
    assertThat(
            aliases
                .answer("production", set, KEPT, AliasesTest::why, NOW, Optional.empty())
                .getHeld())
        .isTrue();
    assertThat(answer(AliasAction.REMOVE, 0).getHeld()).isFalse();
    assertThat(answer(AliasAction.SET, 1).getHeld()).isFalse();
  }

  @Test
  void namesTheUserOfTheLastMoveAndOfNoOtherRequest() throws RejectedRecord {
    Aliases aliases = new Aliases();
    Alias set =
        aliases.answer(
            "production",
            request(AliasAction.SET, 2),
            KEPT,
            AliasesTest::why,
            NOW,
            Optional.of("a"));
    assertThat(set.getBy()).isEqualTo("a");
    Alias held =
        aliases.answer(
            "production",
            request(AliasAction.HOLD, 0),
            KEPT,
            AliasesTest::why,
            NOW,
            Optional.of("b"));
    assertThat(held.getBy()).isEqualTo("a");
    Alias rejected =
        aliases.answer(
            "production",
            request(AliasAction.SET, 99),
            KEPT,
            AliasesTest::why,
            NOW,
            Optional.of("b"));
    assertThat(rejected.getRefusal()).isNotEmpty();
    assertThat(rejected.getBy()).isEqualTo("a");
    Alias unknown =
        aliases.answer(
            "production",
            request(AliasAction.SET, 3),
            KEPT,
            AliasesTest::why,
            NOW,
            Optional.empty());
    assertThat(unknown.getBy()).isNull();
  }
}
