package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.RetiredModel;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Plans: the formula, many steps, and which plan is carried out. */
class MergeStagePlanTest extends MergeStageFixture {
  @Test
  void aPlanMergesByTheFormulaAndKeepsExcludedParametersOfTheBase() {
    twoModels();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
    assertThat(stage.progress().releases())
        .singleElement()
        .satisfies(
            done -> {
              assertThat(done.getRelease()).isEqualTo(1);
              assertThat(done.getShards()).isEqualTo(4);
              assertThat(done.getUnweighted()).isZero();
            });
    assertThat(stage.reasons()).isEmpty();
    planTwo(1); // the same plan again
    stage.work();
    assertThat(stage.merged()).isEmpty();
  }

  @Test
  void aPlanIsPreparedAndCarriedOutInManySteps() {
    twoModels();
    stage.work();
    stage.progress();
    delete(stage.folder("b", 1));
    stage.restart();
    stage.hurry();
    planTwo(1);
    int steps = 0;
    while (stage.progress().releases().isEmpty() && steps < 1000) {
      stage.stage().advance(Duration.ofMillis(10));
      steps++;
    }
    // four shards are looked for in the base and in both models, and then merged
    assertThat(steps).isBetween(4 + 2 * 4 + 4, 50);
    assertThat(stage.reads()).isEqualTo(2);
    assertThat(stage.merged().get("1/w")).containsExactly(W_OF_TWO);
  }

  @Test
  void aNewerPlanTakesTheOlderOnesPlace() {
    twoModels();
    planTwo(5);
    stage.plan(6, EPSILON, List.of(), planned("a", 1, 1, 1));
    planTwo(4);
    stage.work();
    assertThat(stage.merged()).containsOnlyKeys("6/keep", "6/scale", "6/void", "6/w");
  }

  private void failThreeTimes(String work) {
    for (int i = 0; i < 3; i++) {
      stage.failures().workFailed(work, new IllegalStateException("unforeseen"));
    }
  }

  @Test
  void aPlanThatIsGivenUpIsReportedAndTheNextOneIsCarriedOut() {
    twoModels();
    failThreeTimes("plan of release 1 0_0");
    stage.withdraw("b");
    stage.plan(1, EPSILON, List.of(new RetiredModel("b", 1L)), 4, planned("a", 1, 1, 1)); // fails
    stage.work();
    assertThat(stage.progress().releases())
        .satisfiesExactly(
            failed ->
                assertThat(failed.getFault())
                    .isEqualTo("partition 0: the plan failed 3 times: unforeseen"),
            retired -> assertThat(retired.getRetirement()).isEqualTo(4));
    assertThat(stage.merged()).isEmpty();
    assertThat(stage.folder("b", 1)).as("what it retires goes all the same").doesNotExist();
    stage.plan(2, EPSILON, List.of(), planned("a", 1, 1, 1));
    stage.work();
    assertThat(stage.merged()).containsKey("2/w");
  }

  @Test
  void aRemovalThatIsGivenUpKeepsNoPlanWaiting() {
    twoModels();
    failThreeTimes("removal of what release 1 retires (list 4) 0_0");
    stage.withdraw("b");
    stage.plan(1, EPSILON, List.of(new RetiredModel("b", 1L)), 4, planned("a", 1, 1, 1));
    stage.work();
    assertThat(stage.merged()).containsKey("1/w");
    assertThat(stage.progress().releases())
        .singleElement()
        .satisfies(
            done -> {
              assertThat(done.getFault()).isNull();
              assertThat(done.getRetirement()).as("b is still there").isZero();
            });
    stage.plan(1, EPSILON, List.of(new RetiredModel("b", 1L)), 5, planned("a", 1, 1, 1));
    stage.work();
    assertThat(stage.folder("b", 1)).doesNotExist();
  }

  @Test
  void aPlanWhoseResultIsNotFiniteEndsWithTheParameterAndTheModel() {
    stage.announce(model("a", 1).build());
    checkpoint("a", 1, 1, 3e38f, 1, 1);
    fisher("a", 1, 0, 1e38f, 1, 1);
    stage.work();
    stage.progress();
    PlannedModel heavy = planned("a", 1, 1, 1e300);
    stage.plan(1, EPSILON, List.of(), heavy);
    stage.work();
    assertThat(stage.progress().releases())
        .singleElement()
        .satisfies(
            done ->
                assertThat(done.getFault())
                    .contains("parameter w: element 0 is")
                    .contains("1.0E300 of model a"));
    assertThat(stage.merged()).doesNotContainKey("1/w");
    stage.plan(2, EPSILON, List.of(), planned("a", 1, 1, 1));
    stage.work();
    assertThat(stage.progress().releases())
        .singleElement()
        .satisfies(done -> assertThat(done.getFault()).isNull());
    assertThat(stage.merged()).containsKey("2/w");
  }
}
