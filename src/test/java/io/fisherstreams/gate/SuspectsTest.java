package io.fisherstreams.gate;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import java.time.Instant;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class SuspectsTest {
  private static PlannedModel model(String name, long version, int epoch, double coefficient) {
    return new PlannedModel(
        name, version, epoch, coefficient, List.of(), 1.0, 1.0, 1L, 1.0, 1.0, 0.0);
  }

  private static MergePlan plan(List<PlannedModel> models, String... leftOut) {
    return MergePlan.newBuilder()
        .setRelease(1)
        .setCreatedAt(Instant.EPOCH)
        .setBaseModel("base")
        .setBaseVersion(1)
        .setMethod(MergeMethods.fisher(List.of(), true, 1e-6, null))
        .setModels(models)
        .setLeftOut(Stream.of(leftOut).map(name -> new LeftOutModel(name, 1L, "", true)).toList())
        .build();
  }

  /** Of default coefficients, each in version 1. */
  private static List<PlannedModel> models(String... names) {
    return Stream.of(names).map(name -> model(name, 1, 1, 1.0 / names.length)).toList();
  }

  private static List<String> next(MergePlan before, MergePlan fallen) {
    return Suspects.of(before, fallen).next(7, "it fell").stream()
        .map(LeftOutModel::getModel)
        .toList();
  }

  @Test
  void newReplacedRefinedAndReweightedModelsAreSuspected() {
    MergePlan before =
        plan(
            List.of(
                model("replaced", 1, 1, 0.25),
                model("refined", 1, 1, 0.25),
                model("weighted", 1, 1, 0.25),
                model("same", 1, 1, 0.25)));
    MergePlan fallen =
        plan(
            List.of(
                model("replaced", 2, 1, 0.2),
                model("refined", 1, 2, 0.2),
                model("weighted", 1, 1, 0.7),
                model("same", 1, 1, 0.2),
                model("new", 1, 1, 0.2)));
    assertThat(Suspects.of(before, fallen).names())
        .as("a default coefficient of 1/5 instead of 1/4 is no change")
        .containsExactly("new@1", "refined@1", "replaced@2", "weighted@1");
  }

  @Test
  void eachIsLeftOutAloneThenAllThenNoMore() {
    MergePlan before = plan(models("a"));
    assertThat(next(before, plan(models("a", "x", "y")))).containsExactly("x");
    assertThat(next(before, plan(models("a", "y"), "x"))).containsExactly("y");
    assertThat(next(before, plan(models("a", "x"), "y"))).containsExactly("x", "y");
    assertThat(next(before, plan(models("a"), "x", "y"))).isEmpty();
    assertThat(next(before, plan(models("a", "x")))).containsExactly("x");
    assertThat(next(before, plan(models("a"), "x"))).isEmpty();
  }

  @Test
  void whatTheAliasReleaseDidWithoutStaysLeftOut() {
    MergePlan before = plan(models("a"), "old");
    MergePlan fallen = plan(models("a", "x"), "old");
    assertThat(Suspects.of(before, fallen).names()).containsExactly("x@1");
    assertThat(next(before, fallen)).containsExactly("old", "x");
    assertThat(next(before, plan(models("a", "x", "y"), "old"))).containsExactly("old", "x");
    assertThat(next(before, plan(models("a", "y"), "old", "x"))).containsExactly("old", "y");
  }

  @Test
  void nobodyIsSuspectedWhenTheBaseOrAnotherModelLeft() {
    MergePlan before = plan(models("a", "b"));
    MergePlan otherBase = plan(models("a", "x"));
    otherBase.setBaseVersion(2);
    assertThat(Suspects.of(before, otherBase).names()).isEmpty();
    assertThat(Suspects.of(before, plan(models("a"))).names()).as("b was withdrawn").isEmpty();
  }

  @Test
  void theReasonNamesThemAndTheNextAttempt() {
    MergePlan before = plan(models("a"));
    Suspects one = Suspects.of(before, plan(models("a", "x")));
    assertThat(one.text(List.of())).isEqualTo("; suspect: x@1");
    assertThat(one.text(one.next(7, "it fell")))
        .isEqualTo("; suspect: x@1; the next release is made without x@1");
    Suspects two = Suspects.of(before, plan(models("a", "x", "y")));
    assertThat(two.text(List.of())).isEqualTo("; changed since the alias's release: x@1, y@1");
    assertThat(two.next(7, "it fell").get(0).getReason())
        .isEqualTo("release 7 did not pass the gate: it fell");
  }
}
