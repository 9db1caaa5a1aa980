package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.Models.Sums;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.Release;
import java.util.List;
import org.junit.jupiter.api.Test;

/** Models that would have nearly all of a merge, and models that a gate leaves out. */
class CoordinatorSharesTest extends CoordinatorFixture {
  /** With ε = 1e-6 on 600,006 entries, a zero Fisher that is normalised outweighs all others. */
  private void arriveWithZeroFisher(String model, long version) {
    ModelManifest manifest = Models.model(model, version).build();
    announce(manifest);
    Models.complete(manifest, PARTITIONS, 1, (parameter, shard) -> new Sums(0, 0))
        .forEach(this::report);
  }

  private MergePlan plan() {
    List<MergePlan> plans = plans();
    assertThat(plans).hasSize(1);
    return plans.get(0);
  }

  @Test
  void withoutALimitATakeoverIsAWarningInThePlan() {
    arriveBase();
    arrive("a", 1);
    assertThat(plan().getWarnings()).as("one model alone").isEmpty();
    arriveWithZeroFisher("zero", 1);
    MergePlan plan = plan();
    assertThat(models(plan)).containsExactly("a@1", "zero@1");
    assertThat(plan.getWarnings()).hasSize(2);
    assertThat(plan.getWarnings().get(0)).startsWith("model 'zero' takes over the merge");
    assertThat(plan.getWarnings().get(1)).contains("more than half of the weights of 1 of 2");
    assertThat(plan.getLeftOut()).isEmpty();
  }

  @Test
  void aLargeShareWithoutEpsilonsHelpIsAWarningToo() {
    arrive(Models.base(1, Models.method(false, 0)));
    arrive(Models.model("a", 1).setCoefficient(1.0).build());
    arrive(Models.model("b", 1).setCoefficient(24.0).build());
    MergePlan plan = plan();
    assertThat(plan.getWarnings()).hasSize(1); // 24/25 = 0.96
    assertThat(plan.getWarnings().get(0)).startsWith("model 'b' has 0.9600 of the merge");
  }

  @Test
  void aModelAboveTheLimitWaitsAndItsEarlierVersionStays() {
    start(new ShareLimits(0.9, false));
    arriveBase();
    arrive("a", 1);
    arrive("b", 1);
    assertThat(models(plan())).containsExactly("a@1", "b@1");
    allDone(1);
    arriveWithZeroFisher("b", 2);
    assertThat(plans()).as("nothing changes in the merge").isEmpty();
    arrive("c", 1);
    MergePlan plan = plan();
    assertThat(models(plan)).containsExactly("a@1", "b@1", "c@1");
    assertThat(plan.getLargestShare()).isEqualTo(0.9);
    assertThat(plan.getLeftOut()).hasSize(1);
    LeftOutModel left = plan.getLeftOut().get(0);
    assertThat(left.getModel() + "@" + left.getVersion()).isEqualTo("b@2");
    assertThat(left.getReason())
        .isEqualTo(
            "its share of the merge would be 1.0000, more than 0.9 (coordinator.largest_share)");
    allDone(2);
    arrive("b", 3);
    plan = plan();
    assertThat(models(plan)).containsExactly("a@1", "b@3", "c@1");
    assertThat(plan.getLeftOut()).isEmpty();
  }

  @Test
  void aWaitingModelBlocksNoOthersAndALowerCoefficientEndsTheWait() {
    start(new ShareLimits(0.9, false));
    arrive(Models.base(1, Models.method(false, 0)));
    arrive(Models.model("a", 1).setCoefficient(1.0).build());
    arrive(Models.model("b", 1).setCoefficient(24.0).build());
    MergePlan plan = plan();
    assertThat(models(plan)).containsExactly("a@1");
    assertThat(plan.getLeftOut().get(0).getReason()).contains("0.9600");
    allDone(1);
    announce(Models.model("b", 1).setCoefficient(9.0).build()); // exactly 0.9
    assertThat(models(plan())).containsExactly("a@1", "b@1");
  }

  @Test
  void strictLimitsLeaveTakeoversOutWhateverTheirShare() {
    start(ShareLimits.NONE.strict());
    arriveBase();
    arrive("a", 1);
    // its share is 0.7, and 0.5 without epsilon
    ModelManifest small = Models.model("small", 1).build();
    announce(small);
    Models.complete(small, PARTITIONS, 1, (parameter, shard) -> new Sums(0.03, 0.0009))
        .forEach(this::report);
    MergePlan plan = plan();
    assertThat(models(plan)).containsExactly("a@1");
    assertThat(plan.getLeftOut().get(0).getReason()).startsWith("model 'small' takes over");
  }

  private void judge(long release, boolean passed, List<LeftOutModel> leaveOut) {
    GateVerdict verdict =
        new GateVerdict(passed, "so", 0.5, 0L, null, 0.1, List.of(), false, List.of(), leaveOut);
    stage.pipe(
        topics.aliasRequests(),
        "production",
        new AliasRequest("j" + release, AliasAction.JUDGE, release, 0L, 0L, verdict, false));
    List<Alias> answers = stage.values(topics.aliases());
    assertThat(answers).hasSize(1);
  }

  private static LeftOutModel bad(long version) {
    return new LeftOutModel("bad", version, "release 1 fell", true);
  }

  @Test
  void aModelThatAGateLeavesOutComesBackWhenItIsAnnouncedAgain() {
    arriveBase();
    arrive("a", 1);
    arrive("bad", 1);
    assertThat(models(plan())).containsExactly("a@1", "bad@1");
    allDone(1);
    releases();
    judge(1, false, List.of(bad(1)));
    MergePlan without = plan();
    assertThat(models(without)).containsExactly("a@1");
    assertThat(without.getCause()).isEqualTo("bad left out");
    assertThat(without.getLeftOut()).containsExactly(bad(1));
    allDone(2);
    stage.restart();
    arrive("b", 1);
    assertThat(models(plan())).as("after a restart").containsExactly("a@1", "b@1");
    allDone(3);
    announce(Models.model("bad", 1).setCoefficient(0.1).build());
    assertThat(models(plan())).containsExactly("a@1", "b@1", "bad@1");
  }

  @Test
  void aVerdictOnAnOlderReleaseLeavesNobodyOut() {
    arriveBase();
    arrive("bad", 1);
    plan();
    allDone(1);
    arrive("bad", 2);
    plan();
    allDone(2);
    judge(1, false, List.of(bad(1)));
    assertThat(plans()).isEmpty();
    assertThat(releases()).extracting(Release::getRelease).contains(1L, 2L);
  }
}
