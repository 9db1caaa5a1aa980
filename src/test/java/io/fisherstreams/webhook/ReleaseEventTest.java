package io.fisherstreams.webhook;

import static org.assertj.core.api.Assertions.assertThat;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasName;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.TaskAccuracy;
import java.io.IOException;
import java.time.Instant;
import java.util.List;
import org.junit.jupiter.api.Test;

class ReleaseEventTest {
  private static final Instant DONE = Instant.parse("2026-01-01T12:00:00Z");
  private static final Instant RECORDED = Instant.parse("2026-01-01T12:00:07Z");

  private static Release release(ReleaseStatus status, GateVerdict verdict) {
    MergePlan plan =
        new MergePlan(
            7L,
            DONE,
            "",
            "base",
            1L,
            MergeMethods.fisher(List.of(), true, 1e-6, null),
            List.of(),
            List.of(),
            0L,
            false,
            List.of(),
            List.of(),
            1.0,
            false);
    return new Release(7L, status, DONE, "", plan, List.of(), 1L, "", 0L, verdict);
  }

  private static GateVerdict verdict(boolean passed) {
    return new GateVerdict(
        passed,
        "so",
        0.75,
        6L,
        0.5,
        0.1,
        List.of(new TaskAccuracy("signs", 8L, 0.75, 0.5)),
        false,
        List.of(),
        List.of());
  }

  private static List<ReleaseEvent> events(ReleaseStatus status, GateVerdict verdict) {
    return ReleaseEvent.of("digits", release(status, verdict), RECORDED);
  }

  private static JsonNode json(ReleaseEvent event) throws IOException {
    return new ObjectMapper().readTree(event.body());
  }

  @Test
  void aReleaseIsCompleteThenJudgedThenRejected() {
    assertThat(events(ReleaseStatus.ABANDONED, null)).isEmpty();
    assertThat(events(ReleaseStatus.COMPLETE, null))
        .extracting(ReleaseEvent::type)
        .containsExactly("release.complete");
    assertThat(events(ReleaseStatus.COMPLETE, verdict(true)))
        .extracting(ReleaseEvent::type)
        .containsExactly("release.complete", "release.judged");
    assertThat(events(ReleaseStatus.REJECTED, verdict(false)))
        .extracting(ReleaseEvent::type)
        .containsExactly("release.judged", "release.rejected");
    assertThat(events(ReleaseStatus.REJECTED, null))
        .as("its tensors would not be finite")
        .extracting(ReleaseEvent::type)
        .containsExactly("release.rejected");
  }

  @Test
  void theVerdictHasTheAccuracyOfEachTask() throws IOException {
    JsonNode judged = json(events(ReleaseStatus.REJECTED, verdict(false)).get(0));
    assertThat(judged.get("type").textValue()).isEqualTo("release.judged");
    assertThat(judged.get("timestamp").textValue()).isEqualTo("2026-01-01T12:00:07Z");
    assertThat(judged.get("data").get("pool").textValue()).isEqualTo("digits");
    JsonNode verdict = judged.get("data").get("release").get("verdict");
    assertThat(verdict.get("passed").booleanValue()).isFalse();
    JsonNode task = verdict.get("tasks").get(0);
    assertThat(task.get("task").textValue()).isEqualTo("signs");
    assertThat(task.get("examples").longValue()).isEqualTo(8);
    assertThat(task.get("accuracy").doubleValue()).isEqualTo(0.75);
  }

  @Test
  void anEventThatIsToldAgainIsTheSame() {
    ReleaseEvent first = events(ReleaseStatus.COMPLETE, null).get(0);
    ReleaseEvent again = events(ReleaseStatus.COMPLETE, verdict(true)).get(0);
    assertThat(again.id()).isEqualTo(first.id());
    assertThat(again.body()).isEqualTo(first.body());
    assertThat(events(ReleaseStatus.COMPLETE, verdict(true)))
        .extracting(ReleaseEvent::id)
        .doesNotHaveDuplicates();
  }

  @Test
  void anAliassEventSaysWhatWasDone() throws IOException {
    Alias alias = AliasName.unset("production");
    alias.setRelease(3);
    for (AliasAction action : AliasAction.values()) {
      alias.setAction(action);
      assertThat(ReleaseEvent.of("digits", alias, RECORDED))
          .extracting(ReleaseEvent::type)
          .containsExactly(
              switch (action) {
                case HOLD -> "alias.held";
                case UNHOLD -> "alias.unheld";
                case REMOVE -> "alias.removed";
                default -> "alias.moved";
              });
    }
    alias.setHeld(true);
    JsonNode told = json(ReleaseEvent.of("digits", alias, RECORDED).get(0)).get("data");
    assertThat(told.get("alias").get("name").textValue()).isEqualTo("production");
    assertThat(told.get("alias").get("held").booleanValue()).isTrue();
    alias.setRefusal("no");
    assertThat(ReleaseEvent.of("digits", alias, RECORDED)).isEmpty();
  }

  @Test
  void everyTestHasAnIdOfItsOwn() {
    assertThat(ReleaseEvent.test("digits", DONE).id())
        .isNotEqualTo(ReleaseEvent.test("digits", DONE).id());
  }
}
