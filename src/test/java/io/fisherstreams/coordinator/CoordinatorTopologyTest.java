package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.Models.ShardSums;
import io.fisherstreams.coordinator.Models.Sums;
import io.fisherstreams.kafka.StageDriver;
import io.fisherstreams.record.Alias;
import io.fisherstreams.record.AliasAction;
import io.fisherstreams.record.AliasRequest;
import io.fisherstreams.record.FisherSums;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.PartitionProgress;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.TopicSlice;
import io.fisherstreams.record.serde.SchemaRegistry;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class CoordinatorTopologyTest {
  private final Map<String, Alias> seen = new HashMap<>();
  private static final int PARTITIONS = 3;
  private static final ShardSums SUMS = (parameter, shard) -> new Sums(3, 9);
  private static final Duration QUIET = Duration.ofMillis(300);

  @TempDir private Path directory;

  private final PoolTopics topics = new PoolTopics("pool", SchemaRegistry.inMemory());
  private List<Long> mergedEnds = List.of(10L, 20L, 30L);
  private final List<Long> cuts = new ArrayList<>();
  private StageDriver stage;

  @BeforeEach
  void start() {
    start(Set.of());
  }

  private void start(Set<String> await) {
    start(await, KEPT, Duration.ZERO);
  }

  private void start(Set<String> await, int keep, Duration keepFor) {
    stage =
        new StageDriver(
            directory.resolve("await" + await.size() + "-" + keep + "-" + keepFor.toHours()),
            () ->
                new CoordinatorTopology(
                        topics,
                        PARTITIONS,
                        new PlanPolicy(
                            Duration.ofMillis(200), Duration.ofSeconds(2), keep, keepFor, await),
                        mergedTensors)
                    .get());
  }

  private static final int KEPT = 10;

  private final MergedTensorLog mergedTensors =
      new MergedTensorLog() {
        @Override
        public List<Long> endOffsets() {
          return mergedEnds;
        }

        @Override
        public void deleteBefore(List<Long> offsets) {
          cuts.add(offsets.get(0));
        }
      };

  @AfterEach
  void close() {
    stage.close();
  }

  private void announce(ModelManifest manifest) {
    stage.pipe(topics.models(), manifest.getModel(), manifest);
  }

  private void report(int partition, ModelProgress progress) {
    stage.pipe(
        topics.progress(),
        progress.getModel() + "@" + progress.getVersion() + "/" + partition,
        new PartitionProgress(partition, progress));
  }

  private void arrive(ModelManifest manifest) {
    announce(manifest);
    Models.complete(manifest, PARTITIONS, 1, SUMS).forEach(this::report);
  }

  private void arrive(String model, long version) {
    arrive(Models.model(model, version).build());
  }

  private void arriveBase() {
    arrive(Models.base(1, Models.method(true, 1e-6)));
  }

  private void withdraw(String model) {
    stage.pipe(topics.models(), model, null);
  }

  private void done(int partition, long release) {
    stage.pipe(
        topics.progress(),
        "release/" + partition,
        new PartitionProgress(
            partition, new ReleaseProgress(release, 2L + partition, -1L << (60 + partition), 5L)));
  }

  private void allDone(long release) {
    for (int partition = 0; partition < PARTITIONS; partition++) {
      done(partition, release);
    }
  }

  private List<MergePlan> plans() {
    stage.advance(QUIET);
    stage.advance(QUIET); // the driver fires a timer once per call
    return stage.values(topics.mergePlans());
  }

  private static List<String> models(MergePlan plan) {
    return plan.getModels().stream().map(m -> m.getModel() + "@" + m.getVersion()).toList();
  }

  private List<Release> releases() {
    return stage.values(topics.releases());
  }

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
      arrive(String.format("m%02d", i), 1);
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
    assertThat(plans()).isEmpty();
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
    assertThat(plans()).isEmpty();
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

  private void ask(String alias, String request, AliasAction action, long release) {
    stage.pipe(
        topics.aliasRequests(), alias, new AliasRequest(request, action, release, 0L, 0L, null));
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

  @Test
  void anAliasMovesToReleasesThatAreKeptAndRollsBackThroughThem() {
    makeReleases(1, 3);
    assertThat(answer("production", "r1", AliasAction.SET, 1).getRelease()).isEqualTo(1);
    assertThat(answer("production", "r2", AliasAction.SET, 3).getEarlier()).containsExactly(1L);
    Alias refused = answer("production", "r3", AliasAction.SET, 4);
    assertThat(refused.getRefusal()).contains("release 4 is not among the complete releases");
    assertThat(refused.getRelease()).isEqualTo(3);
    stage.restart();
    assertThat(answer("production", "r3", AliasAction.SET, 2))
        .as("the request that was answered before the restart")
        .isEqualTo(refused);
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
  void aPlanUnderWayOrAbandonedTakesNoAlias() {
    arriveBase();
    arrive("a", 1);
    plans();
    assertThat(answer("production", "r1", AliasAction.SET, 1).getRefusal()).isNotEmpty();
    arrive("b", 1);
    plans();
    assertThat(answer("production", "r2", AliasAction.SET, 1).getRefusal()).isNotEmpty();
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
        .isNotEmpty();
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
        new GateVerdict(passed, "as " + request + " says", accuracy, 1L, 0.9, 0.1, List.of());
    stage.pipe(
        topics.aliasRequests(),
        "production",
        new AliasRequest(
            request,
            AliasAction.JUDGE,
            release,
            before.getRelease(),
            before.getBaseline(),
            verdict));
    Alias answer = stage.values(topics.aliases()).get(0);
    seen.put("production", answer);
    return answer;
  }

  private static Alias nowhere() {
    return new Alias("production", 0L, List.of(), 0L, Instant.EPOCH, "", "");
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
    assertThat(answer("staging", "r3", AliasAction.SET, 2).getRefusal()).isNotEmpty();
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
    assertThat(judge("r1", 1, false).getRefusal()).contains("release 1 is not among");
    assertThat(judge("r2", 7, true).getRefusal()).contains("release 7 is not among");
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
    stage.advance(Duration.ofHours(3));
    makeReleases(4, 5);
    assertThat(cuts).containsExactly(10L, 10L, 10L, 40L);
  }

  @Test
  void whatCannotBeAnsweredIsDeadLettered() {
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
  void aReportWithoutNumbersIsRefusedEvenOfAModelThatIsStillUnknown() {
    report(
        0,
        new ModelProgress(
            "later", 1L, 1, 1, 1, 1, 1, List.of(), List.of(new FisherSums("p", "many", "1"))));
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
}
