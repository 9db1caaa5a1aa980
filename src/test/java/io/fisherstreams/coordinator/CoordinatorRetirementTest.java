package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.RetiredModel;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

class CoordinatorRetirementTest extends CoordinatorFixture {
  private void removed(int partition, MergePlan plan) {
    stage.pipe(
        topics.progress(),
        "release/" + partition,
        new PartitionProgress(
            partition,
            new ReleaseProgress(plan.getRelease(), 0L, 0L, 0L, plan.getRetirement(), null)));
  }

  private void allRemoved(MergePlan plan) {
    for (int partition = 0; partition < PARTITIONS; partition++) {
      removed(partition, plan);
    }
  }

  private MergePlan onlyPlan() {
    List<MergePlan> plans = plans();
    assertThat(plans).hasSize(1);
    return plans.get(0);
  }

  @Test
  void aWithdrawalIsNotForgottenWhenTheCoordinatorRestartsBeforeTheNextPlan() {
    arriveBase();
    arrive("a", 1);
    arrive("b", 3);
    plans();
    allDone(1);
    withdraw("b");
    stage.restart();
    MergePlan plan = onlyPlan();
    assertThat(models(plan)).containsExactly("a@1");
    assertThat(plan.getRetired()).containsExactly(new RetiredModel("b", 3L));
  }

  @Test
  void theLastModelIsRetiredThoughNoReleaseFollows() {
    arriveBase();
    arrive("a", 1);
    plans();
    allDone(1);
    releases();
    withdraw("a");
    MergePlan plan = onlyPlan();
    assertThat(plan.getRelease()).isEqualTo(1);
    assertThat(models(plan)).containsExactly("a@1");
    assertThat(plan.getRetired()).containsExactly(new RetiredModel("a", 1L));
    assertThat(plan.getRetiresOnly()).as("partitions have carried it out").isFalse();
    assertThat(plans()).isEmpty();
    assertThat(releases()).isEmpty();
  }

  @Test
  void aPlanWhoseLastModelIsWithdrawnIsAbandonedAndRetires() {
    arriveBase();
    arrive("a", 1);
    onlyPlan();
    withdraw("a");
    MergePlan plan = onlyPlan();
    assertThat(plan.getRelease()).isEqualTo(1);
    assertThat(plan.getRetired()).containsExactly(new RetiredModel("a", 1L));
    assertThat(plan.getRetiresOnly()).isTrue();
    assertThat(releases())
        .singleElement()
        .extracting(r -> r.getStatus().name())
        .isEqualTo("ABANDONED");
    arrive("b", 1);
    assertThat(onlyPlan().getRelease()).isEqualTo(2);
  }

  @Test
  void aModelThatWasNeverMergedIsRetiredWithoutARelease() {
    announce(Models.model("early", 7).build());
    withdraw("early");
    MergePlan first = onlyPlan();
    assertThat(first.getRelease()).isZero();
    assertThat(first.getRetiresOnly()).isTrue();
    assertThat(first.getRetired()).containsExactly(new RetiredModel("early", 7L));
    arriveBase();
    arrive("a", 1);
    assertThat(onlyPlan().getRelease()).isEqualTo(1);
    announce(Models.model("incomplete", 2).build());
    withdraw("incomplete");
    MergePlan again = onlyPlan();
    assertThat(again.getRelease()).as("the plan under way goes on").isEqualTo(1);
    assertThat(again.getRetiresOnly()).isFalse();
    assertThat(again.getRetired())
        .containsExactly(new RetiredModel("early", 7L), new RetiredModel("incomplete", 2L));
    allDone(1);
    assertThat(releases())
        .singleElement()
        .extracting(r -> r.getStatus().name())
        .isEqualTo("COMPLETE");
  }

  @Test
  void retiredNamesAreForgottenOnceEveryPartitionHasRemovedThem() {
    arriveBase();
    arrive("a", 1);
    arrive("b", 3);
    plans();
    allDone(1);
    withdraw("b");
    MergePlan plan = onlyPlan();
    removed(0, plan);
    removed(1, plan);
    arrive("c", 1);
    MergePlan next = onlyPlan();
    assertThat(next.getRetired()).as("one has not").containsExactly(new RetiredModel("b", 3L));
    assertThat(next.getRetirement()).as("the same list").isEqualTo(plan.getRetirement());
    stage.restart();
    removed(2, next);
    arrive("d", 1);
    assertThat(onlyPlan().getRetired()).isEmpty();
    stage.restart();
    arrive("e", 1);
    assertThat(onlyPlan().getRetired()).isEmpty();
  }

  @Test
  void anyNumberOfWithdrawnNamesIsRetiredListByList() {
    int many = Retirements.MAX_LISTED + 1;
    arriveBase();
    arrive("a", 1);
    plans();
    allDone(1);
    List<String> names = IntStream.range(0, many).mapToObj("n%05d"::formatted).toList();
    names.forEach(name -> announce(Models.model(name, 1).build()));
    names.forEach(this::withdraw);
    int listed = 0;
    for (List<MergePlan> plans = plans(); !plans.isEmpty(); plans = plans()) {
      MergePlan newest = plans.get(plans.size() - 1);
      assertThat(newest.getRelease()).isEqualTo(1);
      assertThat(newest.getRetired()).hasSizeLessThanOrEqualTo(Retirements.MAX_LISTED);
      listed += newest.getRetired().size();
      allRemoved(newest);
    }
    assertThat(listed).isEqualTo(many);
  }
}
