package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.Models.Sums;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.TopicSlice;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CoordinatorTopologyTest extends CoordinatorFixture {
  @Test
  void aReleaseIsCompleteWhenEveryPartitionHasCarriedItsPlanOut() {
    arriveBase();
    arrive("a", 4);
    List<MergePlan> plans = plans();
    assertThat(plans).hasSize(1);
    assertThat(plans.get(0).getRelease()).isEqualTo(1);
    assertThat(plans.get(0).getBaseModel()).isEqualTo("base");
    assertThat(plans.get(0).getCause()).isEqualTo("a arrived");
    assertThat(models(plans.get(0))).containsExactly("a@4");
    done(0, 1);
    done(1, 1);
    done(1, 1); // the same partition again
    done(2, 7); // of another release
    assertThat(releases()).isEmpty();
    mergedEnds = List.of(12L, 20L, 37L);
    done(2, 1);
    List<Release> releases = releases();
    assertThat(releases).hasSize(1);
    Release release = releases.get(0);
    assertThat(release.getRelease()).isEqualTo(1);
    assertThat(release.getStatus()).isEqualTo(ReleaseStatus.COMPLETE);
    assertThat(release.getPlan()).isEqualTo(plans.get(0));
    assertThat(release.getShards()).isEqualTo(2 + 3 + 4);
    assertThat(release.getUnweighted()).isEqualTo(15);
    // -2⁶⁰ - 2⁶¹ - 2⁶² = -7·2⁶⁰ modulo 2⁶⁴
    assertThat(release.getChecksum()).isEqualTo("9000000000000000");
    assertThat(release.getSlices())
        .containsExactly(
            new TopicSlice(0, 10L, 12L), new TopicSlice(1, 20L, 20L), new TopicSlice(2, 30L, 37L));
    assertThat(plans()).as("nothing has changed").isEmpty();
  }

  @Test
  void anOvertakenPlanIsAbandonedAndTheNextIdIsUsed() {
    arriveBase();
    arrive("a", 1);
    assertThat(plans()).hasSize(1);
    done(0, 1);
    arrive("b", 1);
    List<MergePlan> plans = plans();
    assertThat(plans).hasSize(1);
    assertThat(plans.get(0).getRelease()).isEqualTo(2);
    assertThat(models(plans.get(0))).containsExactly("a@1", "b@1");
    List<Release> abandoned = releases();
    assertThat(abandoned).hasSize(1);
    assertThat(abandoned.get(0).getRelease()).isEqualTo(1);
    assertThat(abandoned.get(0).getStatus()).isEqualTo(ReleaseStatus.ABANDONED);
    assertThat(abandoned.get(0).getReason()).isNotEmpty();
    assertThat(abandoned.get(0).getSlices()).isEmpty();
    done(1, 1); // late reports of the abandoned plan do not count for the new one
    done(2, 1);
    done(1, 2);
    done(2, 2);
    assertThat(releases()).isEmpty();
    done(0, 2);
    assertThat(releases()).extracting(Release::getRelease).containsExactly(2L);
  }

  @Test
  void aWallClockThatIsSetBackDelaysNoRelease() {
    arriveBase();
    arrive("a", 1);
    wallClock = wallClock.minus(Duration.ofHours(2));
    assertThat(plans()).hasSize(1);
    allDone(1);
    assertThat(releases()).extracting(Release::getAt).containsExactly(wallClock);
  }

  @Test
  void aBurstOfArrivalsMakesOnePlan() {
    arriveBase();
    for (int i = 0; i < 5; i++) {
      arrive("m" + i, 1);
      stage.advance(Duration.ofMillis(100));
      assertThat(stage.values(topics.mergePlans())).isEmpty();
    }
    List<MergePlan> plans = plans();
    assertThat(plans).hasSize(1);
    assertThat(models(plans.get(0))).containsExactly("m0@1", "m1@1", "m2@1", "m3@1", "m4@1");
  }

  @Test
  void aBurstThatDoesNotEndIsPlannedAfterTheLongestWait() {
    arriveBase();
    List<MergePlan> plans = new ArrayList<>();
    for (int i = 0; i < 25 && plans.isEmpty(); i++) {
      arrive(String.format(Locale.ROOT, "m%02d", i), 1);
      stage.advance(Duration.ofMillis(100));
      plans.addAll(stage.values(topics.mergePlans()));
    }
    assertThat(plans).hasSize(1);
    // the first arrived at 0 s, the longest wait is 2 s
    assertThat(plans.get(0).getModels()).hasSizeBetween(20, 21);
  }

  @Test
  void aBusyPoolStillGetsReleases() {
    arriveBase();
    arrive("m0", 1);
    assertThat(plans()).hasSize(1);
    for (int i = 1; i <= PlanPolicy.MAX_ABANDONED; i++) {
      arrive("m" + i, 1);
      assertThat(plans()).hasSize(1);
    }
    arrive("late", 1);
    assertThat(plans()).as("the plan under way is left to finish").isEmpty();
    releases();
    allDone(4);
    assertThat(releases()).extracting(Release::getStatus).containsExactly(ReleaseStatus.COMPLETE);
    List<MergePlan> next = plans();
    assertThat(next).hasSize(1);
    assertThat(models(next.get(0))).contains("late@1").hasSize(5);
  }

  @Test
  void aPlanThatCannotFinishIsNotWaitedFor() {
    arriveBase();
    arrive("keep", 1);
    arrive("m0", 1);
    plans();
    for (int i = 1; i <= PlanPolicy.MAX_ABANDONED; i++) {
      arrive("m" + i, 1);
      assertThat(plans()).hasSize(1);
    }
    ModelManifest lost = Models.model("m1", 1).build();
    Models.complete(lost, PARTITIONS, 1, SUMS)
        .forEach((partition, progress) -> report(partition, Models.less(progress, true)));
    List<MergePlan> plans = plans();
    assertThat(plans).hasSize(1);
    assertThat(models(plans.get(0))).containsExactly("keep@1", "m0@1", "m2@1", "m3@1");
  }

  @Test
  void aWithdrawalMakesAPlanWithoutTheModelThatRetiresIt() {
    arriveBase();
    arrive("a", 1);
    arrive("b", 3);
    plans();
    allDone(1);
    withdraw("b");
    List<MergePlan> plans = plans();
    assertThat(plans).hasSize(1);
    assertThat(models(plans.get(0))).containsExactly("a@1");
    assertThat(plans.get(0).getCause()).isEqualTo("b withdrawn");
    assertThat(plans.get(0).getRetired()).containsExactly(new RetiredModel("b", 3L));
  }

  @Test
  void aNewCoefficientMakesAPlanAndTheSameOneDoesNot() {
    arriveBase();
    arrive("a", 1);
    plans();
    allDone(1);
    announce(Models.model("a", 1).build());
    assertThat(plans()).isEmpty();
    announce(Models.model("a", 1).setCoefficient(0.25).build());
    assertThat(plans())
        .singleElement()
        .satisfies(
            plan ->
                assertThat(plan.getModels())
                    .extracting(PlannedModel::getCoefficient)
                    .containsExactly(0.25));
  }

  @Test
  void theLastModelsWithdrawalAbandonsThePlanUnderWay() {
    arriveBase();
    arrive("a", 1);
    plans();
    withdraw("a");
    assertThat(plans()).extracting(MergePlan::getRetiresOnly).containsExactly(true);
    assertThat(releases()).extracting(Release::getStatus).containsExactly(ReleaseStatus.ABANDONED);
    allDone(1);
    assertThat(releases()).isEmpty();
    arrive("b", 1);
    assertThat(plans()).extracting(MergePlan::getRelease).containsExactly(2L);
  }

  @Test
  void aChangeThatIsTakenBackBeforeItIsPlannedLeavesThePlanUnderWay() {
    arriveBase();
    arrive("a", 1);
    plans();
    arrive("b", 1);
    withdraw("b");
    assertThat(plans()).as("with b retired").extracting(MergePlan::getRelease).containsExactly(1L);
    allDone(1);
    assertThat(releases()).extracting(Release::getStatus).containsExactly(ReleaseStatus.COMPLETE);
  }

  @Test
  void noPlanIsMadeWithoutTheAwaitedModels() {
    close();
    start(Set.of("a", "b"));
    arriveBase();
    arrive("a", 1);
    assertThat(plans()).isEmpty();
    arrive("b", 1);
    assertThat(plans())
        .singleElement()
        .satisfies(plan -> assertThat(models(plan)).containsExactly("a@1", "b@1"));
  }

  @Test
  void badManifestsAreDeadLettersAndTheStageGoesOn() {
    arriveBase();
    announce(Models.model("a", 1).setDecay(7).build());
    stage.pipe(topics.models(), "b", Models.model("a", 1).build());
    stage.pipe(topics.models().name(), bytes("a"), bytes("garbage"));
    stage.pipe(topics.models().name(), null, bytes("x"));
    stage.pipe(topics.progress().name(), bytes("a@1/0"), new byte[] {0, 0, 0, 0, 1, 9, 9});
    assertThat(stage.reasons(topics))
        .satisfiesExactly(
            reason -> assertThat(reason).contains("decay is 7.0"),
            reason -> assertThat(reason).contains("key is 'b'"),
            reason -> assertThat(reason).contains("wire format"),
            reason -> assertThat(reason).contains("no key"),
            reason -> assertThat(reason).contains("schema"));
    arrive("a", 1);
    assertThat(plans()).hasSize(1);
  }

  @Test
  void aReportWhoseSumsAreNoNumbersIsADeadLetter() {
    arriveBase();
    ModelManifest a = Models.model("a", 1).build();
    announce(a);
    Models.complete(a, PARTITIONS, 1, SUMS)
        .forEach(
            (partition, progress) -> {
              if (!progress.getSums().isEmpty()) {
                progress.getSums().get(0).setTotal("Infinity");
              }
              report(partition, progress);
            });
    assertThat(plans()).isEmpty();
    assertThat(stage.reasons(topics)).isNotEmpty().allSatisfy(r -> assertThat(r).contains("Inf"));
  }

  @Test
  void aRestartGoesOnWithThePlanUnderWayAndTheIds() {
    arriveBase();
    arrive("a", 1);
    arrive("gone", 2);
    plans();
    withdraw("gone");
    assertThat(plans()).hasSize(1);
    releases();
    done(0, 2);
    stage.restart();
    assertThat(plans()).as("the plan is under way").isEmpty();
    announce(Models.model("gone", 1).build());
    assertThat(stage.reasons(topics)).singleElement().asString().contains("gone@1 is stale");
    done(1, 2);
    mergedEnds = List.of(11L, 21L, 31L);
    done(2, 2);
    assertThat(releases())
        .singleElement()
        .satisfies(
            release -> {
              assertThat(release.getRelease()).isEqualTo(2);
              assertThat(release.getShards()).isEqualTo(2 + 3 + 4);
              assertThat(release.getSlices().get(2)).isEqualTo(new TopicSlice(2, 30L, 31L));
            });
    stage.restart();
    assertThat(plans()).isEmpty();
    arrive("b", 1);
    assertThat(plans())
        .singleElement()
        .satisfies(
            plan -> {
              assertThat(plan.getRelease()).isEqualTo(3);
              assertThat(models(plan)).containsExactly("a@1", "b@1");
              assertThat(plan.getRetired()).contains(new RetiredModel("gone", 2L));
            });
  }

  @Test
  void reportsThatOvertakeTheirManifestsCount() {
    ModelManifest base = Models.base(1, Models.method(true, 1e-6));
    ModelManifest a = Models.model("a", 1).setRefineEvery(1).build();
    Models.complete(base, PARTITIONS, 1, SUMS).forEach(this::report);
    Models.complete(a, PARTITIONS, 1, SUMS).forEach(this::report);
    Models.complete(a, PARTITIONS, 2, SUMS).forEach(this::report);
    announce(base);
    assertThat(plans()).isEmpty();
    announce(a);
    assertThat(plans())
        .singleElement()
        .satisfies(
            plan -> {
              assertThat(models(plan)).containsExactly("a@1");
              assertThat(plan.getModels().get(0).getEpoch()).isEqualTo(2);
            });
  }

  @Test
  void aReportWithoutNumbersIsRejectedEvenOfAModelThatIsStillUnknown() {
    report(
        0,
        new ModelProgress(
            "later",
            1L,
            1,
            1,
            1,
            1,
            1,
            List.of(),
            List.of(new FisherSums("p", "many", "1")),
            0,
            1));
    assertThat(stage.reasons(topics))
        .singleElement()
        .satisfies(reason -> assertThat(reason).contains("no decimal numbers: many, 1"));
    stage.restart();
    arriveBase();
    arrive("later", 1);
    assertThat(plans()).extracting(MergePlan::getRelease).containsExactly(1L);
  }

  @Test
  void aRestartBeforeThePlanIsMadeStillMakesIt() {
    arriveBase();
    arrive("a", 1);
    stage.restart();
    assertThat(plans()).extracting(MergePlan::getRelease).containsExactly(1L);
  }

  @Test
  void aRefinedModelKeepsItsEpochsOverARestart() {
    arriveBase();
    ModelManifest a = Models.model("a", 1).setRefineEvery(1).build();
    arrive(a);
    plans();
    allDone(1);
    Map<Integer, ModelProgress> second =
        Models.complete(a, PARTITIONS, 2, (parameter, shard) -> new Sums(6, 36));
    int first = second.keySet().iterator().next();
    report(first, second.remove(first));
    assertThat(plans()).isEmpty();
    stage.restart();
    assertThat(plans()).isEmpty();
    second.forEach(this::report);
    assertThat(plans())
        .singleElement()
        .satisfies(
            plan -> {
              assertThat(plan.getModels().get(0).getEpoch()).isEqualTo(2);
              assertThat(plan.getModels().get(0).getFisherNorm()).isEqualTo(Math.sqrt(180));
              assertThat(plan.getCause()).isEqualTo("a refined");
            });
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void aReleaseThatIsNotFiniteIsRejectedAndTheOlderOneStays() {
    arriveBase();
    arrive("a", 1);
    plans();
    allDone(1);
    arrive("b", 1);
    assertThat(plans()).hasSize(1);
    releases();
    done(0, 2);
    stage.pipe(
        topics.progress(),
        "release/1",
        new PartitionProgress(
            1, new ReleaseProgress(2L, 0L, 0L, 0L, 0L, "parameter w: element 0")));
    assertThat(releases())
        .singleElement()
        .satisfies(
            release -> {
              assertThat(release.getRelease()).isEqualTo(2);
              assertThat(release.getStatus()).isEqualTo(ReleaseStatus.REJECTED);
              assertThat(release.getReason()).isEqualTo("parameter w: element 0");
              assertThat(release.getSlices()).isEmpty();
            });
    done(2, 2);
    assertThat(plans()).as("the same plan would end the same way").isEmpty();
    stage.restart();
    assertThat(plans()).isEmpty();
    assertThat(releases()).isEmpty();
    withdraw("b");
    assertThat(plans())
        .singleElement()
        .satisfies(plan -> assertThat(models(plan)).containsExactly("a@1"));
    allDone(3);
    assertThat(releases()).extracting(Release::getStatus).containsExactly(ReleaseStatus.COMPLETE);
  }
}
