package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.record.UnchangedWeight;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
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

  /** A model of which only {@code w} was sent: it leaves {@code scale} as the base has it. */
  private void adapter() {
    stage.announce(
        stage
            .manifest("lora", 1, W)
            .setUnchanged(new UnchangedParameters(1L, List.of("scale", "void")))
            .build());
    stage.checkpoint("lora", 1, "w", 0, floats(3, 3, 3));
    stage.fisher("lora", 1, "w", 2, 2, 2);
  }

  private void plan(long release, MergeFormula formula, UnchangedWeight weight, String... models) {
    stage.plan(
        release,
        MergeMethods.of(formula, List.of("keep"), null, weight, ParameterGroups.NONE),
        List.of(),
        0,
        false,
        Arrays.stream(models).map(name -> planned(name, 1, 1, 0.5)).toArray(PlannedModel[]::new));
    stage.work();
  }

  @Test
  void whatAnAdapterLeavesToTheBaseHasNoSayOrEpsilonOnly() {
    stage.announce(model("a", 1).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    adapter();
    stage.work();
    assertThat(stage.progress().models())
        .filteredOn(report -> report.getModel().equals("lora"))
        .last()
        .satisfies(
            report -> {
              assertThat(report.getShards()).isEqualTo(1);
              assertThat(report.getPresent()).isEqualTo(1);
              assertThat(report.getEpoch()).isEqualTo(1);
            });
    FisherAverage formula = FisherAverage.of(EPSILON, false);
    float both = (float) ((0.5 * 1.25 * 1 + 0.5 * 2.25 * 3) / (0.5 * 1.25 + 0.5 * 2.25));

    plan(1, formula, UnchangedWeight.NO_SAY, "a", "lora");
    Map<String, float[]> noSay = stage.merged();
    assertThat(noSay.get("1/scale")).as("a's alone").containsExactly(2);
    assertThat(noSay.get("1/w")[0]).isEqualTo(both);

    // The base's 1 has the weight 0.5 ε, a's 2 the weight 0.5 (0.5 + ε).
    plan(2, formula, UnchangedWeight.EPSILON, "a", "lora");
    Map<String, float[]> epsilon = stage.merged();
    assertThat(epsilon.get("2/scale"))
        .containsExactly((float) ((0.5 * 0.75 * 2 + 0.5 * 0.25 * 1) / (0.5 * 0.75 + 0.5 * 0.25)));
    assertThat(epsilon.get("2/w")[0]).isEqualTo(both);
    assertThat(stage.reasons()).isEmpty();
  }

  @Test
  void aParameterThatNoModelChangesIsTheBases() {
    adapter();
    delete(stage.folder("base", 1)); // and is restored for it
    stage.restart();
    plan(1, FisherAverage.of(EPSILON, false), UnchangedWeight.NO_SAY, "lora");
    Map<String, float[]> merged = stage.merged();
    assertThat(merged).containsOnlyKeys("1/keep", "1/scale", "1/void", "1/w");
    assertThat(merged.get("1/scale")).containsExactly(1);
    assertThat(merged.get("1/w")).containsExactly(3, 3, 3);
    assertThat(stage.progress().releases())
        .singleElement()
        .satisfies(done -> assertThat(done.getUnweighted()).isZero());

    plan(2, new TaskArithmetic(2), UnchangedWeight.EPSILON, "lora");
    merged = stage.merged();
    assertThat(merged.get("2/scale")).containsExactly(1);
    assertThat(merged.get("2/w")).containsExactly(1 + 2 * 0.5f * 2, 2 + 2 * 0.5f * 1, 3);
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
