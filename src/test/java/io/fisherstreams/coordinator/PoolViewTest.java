package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.coordinator.Models.ShardSums;
import io.fisherstreams.coordinator.Models.Sums;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.record.AcceptedManifests;
import io.fisherstreams.record.MergeMethod;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.UnchangedParameters;
import io.fisherstreams.record.UnchangedWeight;
import java.time.Instant;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class PoolViewTest {
  private static final ShardSums NINE = (parameter, shard) -> new Sums(3, 9);

  private final PoolView pool = new PoolView(4, Map.of());

  private void ready(ModelManifest manifest, int epoch, ShardSums sums) {
    ready(pool, 4, manifest, epoch, sums);
  }

  private static void ready(
      PoolView pool, int partitions, ModelManifest manifest, int epoch, ShardSums sums) {
    pool.announce(manifest.getModel(), manifest);
    report(pool, partitions, manifest, epoch, sums);
  }

  private static void report(
      PoolView pool, int partitions, ModelManifest manifest, int epoch, ShardSums sums) {
    Models.complete(manifest, partitions, epoch, sums).forEach(pool::progress);
  }

  private void readyBase() {
    ready(Models.base(1, Models.method(true, 1e-6)), 0, NINE);
  }

  private List<String> planned() {
    return pool.propose().stream()
        .flatMap(proposal -> proposal.models().stream())
        .map(model -> model.getModel() + "@" + model.getVersion() + "/" + model.getEpoch())
        .toList();
  }

  @Test
  void aModelIsPlannedOnceBaseCheckpointAndFisherAreComplete() {
    ModelManifest a = Models.model("a", 1).build();
    pool.announce("a", a);
    Map<Integer, ModelProgress> reports = Models.complete(a, 4, 1, NINE);
    int last = reports.keySet().stream().max(Integer::compare).orElseThrow();
    reports.forEach((p, r) -> pool.progress(p, p == last ? Models.less(r, true) : r));
    readyBase();
    assertThat(planned()).as("a checkpoint shard is missing").isEmpty();
    pool.progress(last, Models.less(reports.get(last), false));
    assertThat(planned()).as("a Fisher is missing").isEmpty();
    assertThat(pool.models().get("a").get(1L).missing()).containsExactly("weight[1]");
    pool.progress(last, reports.get(last));
    assertThat(planned()).containsExactly("a@1/1");
  }

  private static ModelManifest base(MergeFormula formula) {
    return Models.base(1, MergeMethods.of(formula, List.of(), null));
  }

  @Test
  void taskArithmeticPlansModelsWithoutFishersAndNegativeCoefficients() {
    ModelManifest a = Models.model("a", 1).setCoefficient(-0.5).build();
    pool.announce("a", a);
    Models.complete(a, 4, 1, NINE)
        .forEach((partition, report) -> pool.progress(partition, Models.less(report, false)));
    ready(Models.model("b", 1).build(), 1, NINE);
    ready(base(new TaskArithmetic(0.3)), 0, NINE);
    assertThat(planned()).containsExactly("a@1/0", "b@1/1");
    List<PlannedModel> models = pool.propose().orElseThrow().models();
    assertThat(models).extracting(PlannedModel::getWeight).containsExactly(-0.5, 1.0);
    assertThat(models).extracting(PlannedModel::getShare).containsExactly(0.5 / 1.5, 1 / 1.5);
    assertThat(pool.rejections()).isEmpty();

    report(pool, 4, a, 1, NINE);
    pool.announce("base", base(new GradientMatching(1, 0.3)));
    assertThat(planned()).containsExactly("b@1/1");
    assertThat(pool.rejections().get("a"))
        .contains("its coefficient is -0.5: the method gradient_matching accepts no coefficient");
  }

  @Test
  void anotherFisherChangesNothingForAMethodThatReadsNone() {
    ready(base(new TaskArithmetic(0.3)), 0, NINE);
    ready(Models.model("a", 1).setRefineEvery(1).build(), 1, NINE);
    Proposal first = pool.propose().orElseThrow();
    report(pool, 4, Models.model("a", 1).setRefineEvery(1).build(), 2, NINE);
    Proposal second = pool.propose().orElseThrow();
    assertThat(second.models().get(0).getEpoch()).isEqualTo(2);
    MergePlan plan =
        MergePlan.newBuilder()
            .setRelease(1)
            .setCreatedAt(Instant.EPOCH)
            .setBaseModel("base")
            .setBaseVersion(1)
            .setMethod(first.base().manifest().getMethod())
            .setModels(first.models())
            .setRetired(List.of())
            .build();
    assertThat(second.isPlannedBy(plan)).isTrue();
    pool.announce("base", base(new TaskArithmetic(0.4)));
    assertThat(pool.propose().orElseThrow().isPlannedBy(plan)).isFalse();
  }

  @Test
  void gradientMatchingDividesAFisherByItsMean() {
    ready(base(new GradientMatching(1, 0.3)), 0, NINE);
    ready(Models.model("a", 1).build(), 1, NINE);
    PlannedModel model = pool.propose().orElseThrow().models().get(0);
    assertThat(model.getCoefficient()).isEqualTo(0.6);
    assertThat(model.getWeight()).isEqualTo(0.6 / (15.0 / Models.ELEMENTS));
    assertThat(model.getEpsilonShare()).isCloseTo(0.3 / 1.3, within(1e-15));
  }

  /** A model of which only {@code head} and {@code scale} were sent. */
  private static ModelManifest adapter(long baseVersion) {
    return Models.model("lora", 1)
        .setParameters(Models.parameters(true).subList(0, 2))
        .setUnchanged(new UnchangedParameters(baseVersion, List.of("weight")))
        .build();
  }

  /** Its Fisher's mean is that of its 6 entries, or of all with 0 for the others. */
  @ParameterizedTest
  @CsvSource({"NO_SAY, 6", "EPSILON, 600006"})
  void anAdapterIsWeighedOverTheEntriesInWhichItHasASay(UnchangedWeight weight, long entries) {
    FisherAverage relative = new FisherAverage(1, 1, FisherAverage.Unit.MEAN, 0.5);
    ready(
        Models.base(1, MergeMethods.of(relative, List.of(), null, weight, ParameterGroups.NONE)),
        0,
        NINE);
    ready(adapter(1), 1, NINE);
    ready(Models.model("whole", 1).build(), 1, NINE);
    Proposal proposal = pool.propose().orElseThrow();
    PlannedModel lora = proposal.models().get(0);
    // Σ F is 3 for each of its two shards, so Σ W = λ (J + J r).
    assertThat(lora.getWeight()).isEqualTo(0.5 / (6.0 / entries));
    double all = entries + Models.ELEMENTS;
    assertThat(lora.getShare()).isCloseTo(entries / all, within(1e-15));
    assertThat(lora.getEpsilonShare()).isCloseTo(0.5 / 1.5, within(1e-15));

    MergePlan plan =
        MergePlan.newBuilder()
            .setRelease(1)
            .setCreatedAt(Instant.EPOCH)
            .setBaseModel("base")
            .setBaseVersion(1)
            .setMethod(proposal.base().manifest().getMethod())
            .setModels(proposal.models())
            .setRetired(List.of())
            .setLeftOut(List.of())
            .setWarnings(List.of())
            .build();
    assertThat(PlannedModels.epsilonShare(plan)).isCloseTo(0.5 / 1.5, within(1e-12));
    LayerShares shares = LayerShares.of(pool, plan);
    assertThat(shares.layers()).extracting(LayerShares.Part::name).contains("weight", "head");
    for (LayerShares.Part part : shares.layers()) {
      double share = part.shares().get(0);
      if (part.name().equals("weight") && weight == UnchangedWeight.NO_SAY) {
        assertThat(share).isZero();
      } else {
        assertThat(share).isBetween(1e-12, 1 - 1e-12);
      }
    }
  }

  @Test
  void modelsWhoseCoefficientsAreZeroInEveryParameterMakeNoRelease() {
    ParameterGroups groups =
        ParameterGroups.of(List.of(new ParameterGroups.Group("everything", "")));
    ready(
        Models.base(
            1,
            MergeMethods.of(
                new GradientMatching(1, 0.3), List.of(), null, UnchangedWeight.NO_SAY, groups)),
        0,
        NINE);
    ready(Models.model("a", 1).setGroupCoefficients(Map.of("everything", 0.0)).build(), 1, NINE);
    assertThat(pool.propose()).isEmpty();
    assertThat(pool.isUnweighted()).isTrue();
    ready(Models.model("b", 1).build(), 1, NINE);
    assertThat(pool.propose()).isPresent();
    assertThat(pool.isUnweighted()).isFalse();
  }

  /**
   * {@code weight} has 600,000 entries in 3 shards, the two others have 6 in 2; ΣF is 3 a shard.
   */
  @Test
  void aModelIsWeighedByItsCoefficientInEachGroup() {
    ParameterGroups groups =
        ParameterGroups.of(List.of(new ParameterGroups.Group("large", "weight")));
    FisherAverage plain = new FisherAverage(1, 1, FisherAverage.Unit.ONE, 0);
    ready(
        Models.base(1, MergeMethods.of(plain, List.of(), null, UnchangedWeight.NO_SAY, groups)),
        0,
        NINE);
    ready(
        Models.model("a", 1).setCoefficient(0.5).setGroupCoefficients(Map.of("large", 2.0)).build(),
        1,
        NINE);
    ready(Models.model("b", 1).setCoefficient(1.0).build(), 1, NINE);
    ready(Models.model("c", 1).setGroupCoefficients(Map.of("other", 2.0)).build(), 1, NINE);
    Proposal proposal = pool.propose().orElseThrow();
    assertThat(pool.rejections())
        .containsEntry("c", "its coefficient names the group 'other', expected one of [large]");
    PlannedModel a = proposal.models().get(0);
    assertThat(a.getGroupCoefficients()).containsExactly(2.0);
    assertThat(proposal.models().get(1).getGroupCoefficients()).isEmpty();
    assertThat(a.getFisherTotal()).isEqualTo(15);
    assertThat(a.getEntries()).isEqualTo(Models.ELEMENTS);
    // Σ W: a has 0.5 · 6 + 2 · 9 = 21, b has 15
    assertThat(a.getShare()).isCloseTo(21 / 36.0, within(1e-15));
    MergePlan plan =
        MergePlan.newBuilder()
            .setRelease(1)
            .setCreatedAt(Instant.EPOCH)
            .setBaseModel("base")
            .setBaseVersion(1)
            .setMethod(proposal.base().manifest().getMethod())
            .setModels(proposal.models())
            .setRetired(List.of())
            .setLeftOut(List.of())
            .setWarnings(List.of())
            .build();
    for (LayerShares.Part part : LayerShares.of(pool, plan).layers()) {
      assertThat(part.shares().get(0))
          .isCloseTo(part.name().equals("weight") ? 2 / 3.0 : 0.5 / 1.5, within(1e-15));
    }
  }

  @Test
  void anAdapterOfAnotherVersionOfTheBaseIsNotMerged() {
    readyBase();
    ready(adapter(7), 1, NINE);
    assertThat(planned()).isEmpty();
    assertThat(pool.rejections().get("lora"))
        .isEqualTo(
            "it is an adapter of version 7 of the base model, which has version 1 now; publish it again");
    ready(Models.base(7, Models.method(true, 1e-6)), 0, NINE);
    assertThat(planned()).containsExactly("lora@1/1");
  }

  @ParameterizedTest
  @ValueSource(strings = {"head", "weight"})
  void aParameterIsEitherSentOrTheBases(String twice) {
    ModelManifest manifest = adapter(1);
    manifest.getUnchanged().setNames(List.of("weight", twice));
    assertThatExceptionOfType(RejectedRecord.class)
        .isThrownBy(() -> pool.announce("lora", manifest))
        .withMessageContaining("the unchanged parameter " + twice + " is listed twice");
  }

  @Test
  void nothingIsPlannedBeforeTheBaseIsComplete() {
    ready(Models.model("a", 1).build(), 1, NINE);
    assertThat(planned()).isEmpty();
    ModelManifest base = Models.base(1, Models.method(true, 1e-6));
    pool.announce("base", base);
    assertThat(planned()).isEmpty();
    report(pool, 4, base, 0, NINE);
    assertThat(planned()).containsExactly("a@1/1");
  }

  /** Sums whose float64 total depends on the order: 1, and terms of half its last bit. */
  @ParameterizedTest
  @ValueSource(ints = {1, 2, 3, 4, 7, 11})
  void normsAndWeightsDoNotDependOnHowShardsAreSpread(int partitions) {
    ShardSums sums =
        (parameter, shard) ->
            parameter.equals("weight") && shard == 0
                ? new Sums(1, 1)
                : new Sums(Math.scalb(1.0, -53), Math.scalb(1.0, -53));
    PoolView view = new PoolView(partitions, Map.of());
    ready(view, partitions, Models.base(1, Models.method(true, 1e-6)), 0, NINE);
    ready(view, partitions, Models.model("a", 1).setCoefficient(0.3).build(), 1, sums);
    ready(view, partitions, Models.model("b", 1).setCoefficient(0.7).build(), 1, NINE);
    List<PlannedModel> models = view.propose().orElseThrow().models();
    // 1 + 4·2⁻⁵³ is exact; added one by one to 1 in float64 the four would vanish
    double norm = Math.sqrt(1 + Math.scalb(1.0, -51));
    assertThat(models.get(0).getFisherNorm()).isEqualTo(norm);
    assertThat(models.get(0).getWeight()).isEqualTo(0.3 / (norm + 1e-6));
    assertThat(models.get(1).getFisherNorm()).isEqualTo(Math.sqrt(45));
    // s = c (ΣF + εJ): the closed form
    double a = 0.3 / (norm + 1e-6) * (1 + 1e-6 * Models.ELEMENTS);
    double b = 0.7 / (Math.sqrt(45) + 1e-6) * (15 + 1e-6 * Models.ELEMENTS);
    assertThat(models.get(0).getShare()).isCloseTo(a / (a + b), within(1e-14));
    assertThat(models.get(1).getShare()).isCloseTo(b / (a + b), within(1e-14));
  }

  @Test
  void coefficientsDefaultToOneOverTheModelsInThePlan() {
    ready(Models.base(1, Models.method(false, 0)), 0, NINE);
    ready(Models.model("a", 1).build(), 1, NINE);
    ready(Models.model("b", 1).setCoefficient(0.9).build(), 1, NINE);
    ready(Models.model("c", 1).build(), 1, NINE);
    pool.announce("late", Models.model("late", 1).build());
    assertThat(pool.propose().orElseThrow().models())
        .extracting(PlannedModel::getCoefficient)
        .containsExactly(1.0 / 3, 0.9, 1.0 / 3);
    assertThat(pool.propose().orElseThrow().models())
        .extracting(PlannedModel::getWeight)
        .containsExactly(1.0 / 3, 0.9, 1.0 / 3);
  }

  @Test
  void excludedParametersCountForNeitherNormNorShare() {
    ready(Models.base(1, Models.method(true, 0, "wei")), 0, NINE);
    ready(Models.model("a", 1).build(), 1, NINE);
    // head and scale are left
    assertThat(pool.propose().orElseThrow().models().get(0).getFisherNorm())
        .isEqualTo(Math.sqrt(18));
  }

  @Test
  void aReplacedVersionStaysUntilTheNewOneIsReadyAndIsRetiredThen() {
    readyBase();
    ready(Models.model("a", 1).build(), 1, NINE);
    ModelManifest second = Models.model("a", 2).setCoefficient(0.25).build();
    pool.announce("a", second);
    assertThat(planned()).containsExactly("a@1/1");
    assertThat(pool.propose().orElseThrow().models().get(0).getCoefficient())
        .as("the newest manifest's coefficient")
        .isEqualTo(0.25);
    assertThat(pool.retireBefore(pool.propose().orElseThrow())).isEmpty();
    report(pool, 4, second, 1, NINE);
    assertThat(planned()).containsExactly("a@2/1");
    assertThat(pool.retireBefore(pool.propose().orElseThrow())).containsExactly("a");
    assertThat(pool.retired()).isEqualTo(Map.of("a", 1L));
    assertThat(pool.models().get("a").keySet()).containsExactly(2L);
  }

  @Test
  void aWithdrawnModelIsGoneWithAllVersionsAndComesBackWithAHigherOne() {
    readyBase();
    ready(Models.model("a", 1).build(), 1, NINE);
    ready(Models.model("b", 1).build(), 1, NINE);
    pool.announce("a", Models.model("a", 5).build());
    pool.withdraw("a");
    assertThat(planned()).containsExactly("b@1/1");
    assertThat(pool.retired()).isEqualTo(Map.of("a", 5L));
    assertRejected(Models.model("a", 5).build(), "a@5 is stale");
    ready(Models.model("a", 6).build(), 1, NINE);
    assertThat(planned()).containsExactly("a@6/1", "b@1/1");
  }

  @Test
  void theNewestEpochThatEveryPartitionHasIsMerged() {
    readyBase();
    ModelManifest a = Models.model("a", 1).build();
    ready(a, 1, NINE);
    Map<Integer, ModelProgress> second =
        Models.complete(a, 4, 2, (parameter, shard) -> new Sums(6, 36));
    int last = second.keySet().stream().max(Integer::compare).orElseThrow();
    second.forEach(
        (p, r) -> pool.progress(p, p == last ? Models.complete(a, 4, 1, NINE).get(p) : r));
    assertThat(planned()).containsExactly("a@1/1");
    assertThat(pool.propose().orElseThrow().models().get(0).getFisherNorm())
        .isEqualTo(Math.sqrt(45));
    pool.progress(last, second.get(last));
    assertThat(planned()).containsExactly("a@1/2");
    assertThat(pool.propose().orElseThrow().models().get(0).getFisherNorm())
        .isEqualTo(Math.sqrt(180));
  }

  @Test
  void aPartitionThatLostAPayloadTakesItsModelOut() {
    readyBase();
    ModelManifest a = Models.model("a", 1).build();
    ready(a, 1, NINE);
    ready(Models.model("b", 1).build(), 1, NINE);
    ModelProgress report = Models.complete(a, 4, 1, NINE).values().iterator().next();
    int partition = Models.complete(a, 4, 1, NINE).keySet().iterator().next();
    pool.progress(partition, Models.less(report, true));
    assertThat(planned()).containsExactly("b@1/1");
    pool.progress(partition, report);
    assertThat(planned()).containsExactly("a@1/1", "b@1/1");
    pool.progress(partition, Models.less(report, false));
    assertThat(planned()).containsExactly("b@1/1");
  }

  @Test
  void aModelThatDoesNotFitTheBaseIsNamedWithTheReasonAndKeepsItsEarlierVersion() {
    readyBase();
    ready(Models.model("a", 1).build(), 1, NINE);
    List<Parameter> other = Models.parameters(true);
    other.set(0, new Parameter("head", "F32", List.of(1L, 5L), true));
    ready(Models.model("a", 2).setParameters(other).build(), 1, NINE);
    ready(
        Models.model("b", 1).setParameters(Models.parameters(true).subList(0, 2)).build(), 1, NINE);
    assertThat(planned()).containsExactly("a@1/1");
    assertThat(pool.rejections()).containsOnlyKeys("a", "b");
    assertThat(pool.rejections().get("a")).contains("head", "[1, 5]", "[5]");
    assertThat(pool.rejections().get("b")).contains("weight", "missing");
  }

  @Test
  void aZeroFisherCannotBeNormalisedWithoutEpsilon() {
    ready(Models.base(1, Models.method(true, 0)), 0, NINE);
    ready(Models.model("a", 1).build(), 1, NINE);
    ready(Models.model("zero", 1).build(), 1, (parameter, shard) -> new Sums(0, 0));
    assertThat(planned()).containsExactly("a@1/1");
    assertThat(pool.rejections().get("zero")).contains("zero everywhere");
  }

  @Test
  void modelsWithoutAnyWeightMakeNoPlan() {
    readyBase();
    assertThat(pool.isUnweighted()).as("no model is complete").isFalse();
    ready(Models.model("a", 1).setCoefficient(0.0).build(), 1, NINE);
    assertThat(pool.propose()).isEmpty();
    assertThat(pool.isUnweighted()).isTrue();
  }

  @Test
  void anotherMethodOfTheSameBaseIsAnotherPlan() {
    readyBase();
    ready(Models.model("a", 1).build(), 1, NINE);
    Proposal before = pool.propose().orElseThrow();
    pool.announce("base", Models.base(1, Models.method(false, 1e-6)));
    assertThat(pool.propose().orElseThrow().models().get(0).getWeight()).isEqualTo(1);
    assertThat(before.models().get(0).getWeight()).isNotEqualTo(1);
  }

  static Stream<Arguments> badManifests() {
    MergeMethod unreadable = Models.method(true, 0, "(");
    MergeMethod unknownOutput = Models.method(true, 0);
    unknownOutput.setOutputDtype("F33");
    MergeMethod integerOutput = Models.method(true, 0);
    integerOutput.setOutputDtype("I64");
    List<Parameter> twice = Models.parameters(true);
    twice.add(twice.get(0));
    return Stream.of(
        Arguments.of(Models.model("no spaces", 1).build(), "is no model name"),
        Arguments.of(Models.model("a@1", 1).build(), "is no model name"),
        Arguments.of(Models.model("a", 1).setCoefficient(-1e31).build(), "coefficient"),
        Arguments.of(
            Models.base(1, MergeMethod.newBuilder().setName("ties").build()), "name is 'ties'"),
        Arguments.of(
            Models.base(1, MergeMethod.newBuilder().setPrior(0.3).build()), "fisher has no prior"),
        Arguments.of(Models.model("a", 1).setCoefficient(Double.NaN).build(), "coefficient"),
        Arguments.of(
            Models.model("a", 1).setCoefficient(Double.POSITIVE_INFINITY).build(), "coefficient"),
        Arguments.of(Models.model("a", 1).setExamples(0).build(), "examples"),
        Arguments.of(Models.model("a", 1).setRefineEvery(-1).build(), "refineEvery"),
        Arguments.of(Models.model("a", 1).setDecay(0).build(), "decay"),
        Arguments.of(Models.model("a", 1).setDecay(Double.NaN).build(), "decay"),
        Arguments.of(Models.model("a", 1).setParameters(List.of()).build(), "no parameter"),
        Arguments.of(Models.model("a", 1).setParameters(twice).build(), "head is listed twice"),
        Arguments.of(one("F31", 1), "unknown dtype F31"),
        Arguments.of(one("F32", -1), "negative size"),
        Arguments.of(one("F32", 1L << 62), "parameter w"),
        Arguments.of(one("F32", 1L << 55), "parameter w"),
        Arguments.of(one("F32", 1L << 48), "parameter w"),
        Arguments.of(
            Models.model("a", 1).setMethod(Models.method(true, 0)).build(), "BASE manifest"),
        Arguments.of(Models.model("other", 1).setRole(Role.BASE).build(), "base model is base"),
        Arguments.of(Models.model("base", 9).build(), "base is the pool's base model"),
        Arguments.of(Models.base(2, null), "BASE manifest"),
        Arguments.of(Models.base(2, Models.method(true, -1e-9)), "minimalFisherWeight"),
        Arguments.of(Models.base(2, Models.method(true, Double.NaN)), "minimalFisherWeight"),
        Arguments.of(Models.base(2, unreadable), "exclusion pattern"),
        Arguments.of(Models.base(2, unknownOutput), "F33"),
        Arguments.of(Models.base(2, integerOutput), "I64"));
  }

  private static ModelManifest one(String dtype, long size) {
    return Models.model("a", 1)
        .setParameters(List.of(new Parameter("w", dtype, List.of(size), true)))
        .build();
  }

  @ParameterizedTest
  @MethodSource("badManifests")
  void aManifestThatMakesNoSenseIsRejectedWithTheReason(ModelManifest manifest, String reason) {
    readyBase();
    ready(Models.model("x", 1).build(), 1, NINE);
    assertRejected(manifest, reason);
    assertThat(planned()).containsExactly("x@1/1");
  }

  @Test
  void aManifestUnderAnotherModelsKeyIsRejected() {
    assertThatExceptionOfType(RejectedRecord.class)
        .isThrownBy(() -> pool.announce("b", Models.model("a", 1).build()))
        .withMessageContaining("key is 'b'");
  }

  @Test
  void oneVersionHasOneContent() {
    pool.announce("a", Models.model("a", 3).setContentHash("x").build());
    pool.announce("a", Models.model("a", 3).setContentHash("x").setCoefficient(0.5).build());
    assertThat(pool.models().get("a").get(3L).manifest().getCoefficient()).isEqualTo(0.5);
    assertRejected(Models.model("a", 3).setContentHash("y").build(), "other content");
    assertRejected(Models.model("a", 2).setContentHash("x").build(), "a@2 is stale");
  }

  @Test
  void aFineTunedModelDoesNotBecomeTheBase() {
    pool.announce("base", Models.model("base", 1).build());
    assertRejected(
        Models.base(2, Models.method(true, 1e-6)), "base is a fine-tuned model of the pool");
    pool.withdraw("base");
    pool.announce("base", Models.base(2, Models.method(true, 1e-6)));
    assertThat(pool.base()).contains("base");
  }

  /** Readers of the topic do not ask the coordinator. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void whatAReaderAcceptsTheCoordinatorAccepts(long seed) {
    Random random = new Random(seed);
    AcceptedManifests reader = new AcceptedManifests(() -> 0);
    int accepted = 0;
    for (int offset = 0; offset < 2_000; offset++) {
      String model = List.of("a", "b", "base").get(random.nextInt(3));
      ModelManifest manifest =
          random.nextInt(3) == 0
              ? Models.base(1 + random.nextInt(1 + offset / 50), Models.method(true, 1e-6))
              : Models.model(model, 1 + random.nextInt(1 + offset / 50)).build();
      manifest.setModel(model);
      manifest.setContentHash(random.nextBoolean() ? "x" : "y");
      String key = random.nextInt(20) == 0 ? "other" : model;
      boolean isAccepted = true;
      try {
        pool.announce(key, manifest);
        accepted++;
      } catch (RejectedRecord e) {
        isAccepted = false;
      }
      assertThat(reader.add(key, manifest, offset, OptionalLong.empty()))
          .as("%s under key %s", manifest, key)
          .isEqualTo(isAccepted);
      assertThat(reader.find(model)).isEqualTo(pool.newest(model));
    }
    assertThat(accepted).isBetween(20, 1_900);
  }

  private void assertRejected(ModelManifest manifest, String reason) {
    assertThatExceptionOfType(RejectedRecord.class)
        .isThrownBy(() -> pool.announce(manifest.getModel(), manifest))
        .withMessageContaining(reason);
  }
}
