package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.ints;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.Role;
import io.fisherstreams.record.ShardKey;
import io.fisherstreams.record.Topic;
import io.fisherstreams.tensor.Shard;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MergeTopologyTest {
  private static final double EPSILON = 0.25;
  private static final Parameter W = new Parameter("w", "F32", List.of(3L), true);
  private static final Parameter SCALE = new Parameter("scale", "F32", List.of(), true);
  private static final Parameter KEEP = new Parameter("keep", "F32", List.of(2L), false);
  private static final Parameter EMPTY = new Parameter("void", "F32", List.of(0L), true);

  @TempDir private Path directory;

  private MergeStageDriver stage;

  @BeforeEach
  void start() {
    stage = new MergeStageDriver(directory, 1);
    ModelManifest base =
        stage
            .manifest("base", 1, KEEP, unmerged(SCALE), unmerged(EMPTY), unmerged(W))
            .setRole(Role.BASE)
            .build();
    stage.announce(base);
    stage.checkpoint("base", 1, "keep", 0, floats(41, 42));
    stage.checkpoint("base", 1, "scale", 0, floats(1));
    stage.checkpoint("base", 1, "void", 0, floats());
    stage.checkpoint("base", 1, "w", 0, floats(1, 2, 3));
  }

  @AfterEach
  void close() {
    stage.close();
  }

  private static Parameter unmerged(Parameter parameter) {
    return new Parameter(parameter.getName(), parameter.getDtype(), parameter.getShape(), false);
  }

  private ModelManifest.Builder model(String name, long version) {
    return stage.manifest(name, version, SCALE, EMPTY, W);
  }

  private void checkpoint(String name, long version, float scale, float... w) {
    stage.checkpoint(name, version, "scale", 0, floats(scale));
    stage.checkpoint(name, version, "void", 0, floats());
    stage.checkpoint(name, version, "w", 0, floats(w));
  }

  private void fisher(String name, long version, float scale, float... w) {
    stage.fisher(name, version, "scale", scale);
    stage.fisher(name, version, "void");
    stage.fisher(name, version, "w", w);
  }

  private void twoModels() {
    stage.announce(model("a", 1).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
  }

  private void planTwo(long release) {
    stage.plan(release, EPSILON, List.of(), planned("a", 1, 1, 0.75), planned("b", 1, 1, 0.5));
  }

  /** θ = Σ c (F + ε) θ_m / Σ c (F + ε) of two models, rounded once. */
  private static float merge(double f1, double theta1, double f2, double theta2) {
    double w1 = 0.75 * (f1 + EPSILON);
    double w2 = 0.5 * (f2 + EPSILON);
    return (float) ((w1 * theta1 + w2 * theta2) / (w1 + w2));
  }

  private static final float[] W_OF_TWO = {
    merge(1, 1, 0.125, 5), merge(0, -1, 0, 7), merge(3, 0.5, 9, -2)
  };

  private void assertMergesTwo(long release) {
    Map<String, float[]> merged = stage.merged();
    assertThat(merged)
        .containsOnlyKeys(release + "/keep", release + "/scale", release + "/void", release + "/w");
    assertThat(merged.get(release + "/keep")).containsExactly(41, 42);
    assertThat(merged.get(release + "/void")).isEmpty();
    assertThat(merged.get(release + "/scale")).containsExactly(merge(0.5, 2, 1.5, 4));
    assertThat(merged.get(release + "/w")).containsExactly(W_OF_TWO);
  }

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
  void progressNamesWhatIsMissingAndThenTheExactSums() {
    stage.announce(model("a", 1).build());
    stage.checkpoint("a", 1, "w", 0, floats(1, 2, 3));
    stage.work();
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getPresent()).isEqualTo(1);
    assertThat(progress.getShards()).isEqualTo(3);
    assertThat(progress.getMissing()).containsExactly("scale[0]", "void[0]");
    checkpoint("a", 1, 2, 1, 2, 3);
    stage.fisher("a", 1, "w", 0.1f, 0.25f, 3);
    stage.fisher("a", 1, "void");
    stage.work();
    progress = stage.progress().last("a");
    assertThat(progress.getPresent()).isEqualTo(3);
    assertThat(progress.getEpoch()).isZero();
    assertThat(progress.getSealed()).isEqualTo(2);
    assertThat(progress.getMissing()).containsExactly("scale[0]");
    stage.fisher("a", 1, "scale", 2);
    progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(1);
    assertThat(progress.getMissing()).isEmpty();
    // float64 sums of the float32 entries
    double tenth = 0.1f;
    assertThat(progress.getSums())
        .filteredOn(sums -> sums.getParameter().equals("w"))
        .singleElement()
        .satisfies(
            sums -> {
              assertThat(new BigDecimal(sums.getTotal()))
                  .isEqualByComparingTo(new BigDecimal(tenth + 0.25 + 3));
              assertThat(new BigDecimal(sums.getSquares()))
                  .isEqualByComparingTo(new BigDecimal(tenth * tenth + 0.0625 + 9));
            });
  }

  @Test
  void sendingEverythingAgainChangesNothing() {
    twoModels();
    stage.work();
    stage.progress();
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    stage.restart();
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    stage.work();
    assertThat(stage.progress().models()).isEmpty();
    assertThat(stage.reasons()).isEmpty();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void otherContentUnderTheSameNameIsADeadLetterAndTheFirstStays() {
    twoModels();
    stage.checkpoint("a", 1, "w", 0, floats(9, 9, 9));
    assertThat(stage.reasons())
        .singleElement()
        .asString()
        .contains("w[0] of a@1 came before with other content");
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void theAcceptedContentIsTheNewestUnderItsKeyAfterARefusal() {
    twoModels();
    stage.checkpoint("a", 1, "w", 0, floats(9, 9, 9));
    stage.fisher("a", 1, "w", 7, 7, 7);
    assertThat(stage.reasons())
        .satisfiesExactly(
            r -> assertThat(r).contains("w[0] of a@1 came before with other content"),
            r -> assertThat(r).contains("w[0] of a@1: file#0 came before with other content"));
    stage.compact();
    delete(stage.folder("a", 1));
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
    assertThat(stage.reasons()).isEmpty();
  }

  private byte[] encode(CheckpointShard shard) {
    var topic = stage.topics().checkpointShards();
    return topic.value().serializer().serialize(topic.name(), shard);
  }

  private byte[] encode(GradientBatch batch) {
    var topic = stage.topics().gradientBatches();
    return topic.value().serializer().serialize(topic.name(), batch);
  }

  /** Asserts that after compaction, and without local files, the topics give the same release. */
  private void assertMergesTwoFromTheTopicsAlone() {
    stage.compact();
    delete(stage.folder("a", 1));
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
    assertThat(stage.reasons()).as("what was sent again is accepted").isEmpty();
  }

  /** Each of the values is a dead letter. */
  private void assertRefused(Topic<ShardKey, ?> topic, String key, List<byte[]> values) {
    for (byte[] value : values) {
      stage.pipe(topic, bytes(key), value);
      assertThat(stage.reasons()).hasSize(1);
    }
  }

  @Test
  void whateverIsRefusedUnderAnAcceptedShardsKeyItsContentIsSentAgain() {
    twoModels();
    List<byte[]> refused = new ArrayList<>();
    refused.add(bytes("garbage"));
    refused.add(new byte[] {0, 0, 0, 0, 1, -1, -1});
    refused.add(encode(new CheckpointShard("a", 1L, "w", 0, floats(1, 2))));
    refused.add(encode(new CheckpointShard("a", 1L, "w", 0, floats(1, Float.NaN, 3))));
    refused.add(encode(new CheckpointShard("a", 1L, "w", 7, floats(1, -1, 0.5f))));
    refused.add(encode(new CheckpointShard("b", 1L, "w", 0, floats(5, 7, -2))));
    refused.add(null);
    assertRefused(stage.topics().checkpointShards(), "w[0] a@1", refused);
    assertRefused(stage.topics().checkpointShards(), "void[0] a@1", List.of(bytes("garbage")));
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void whateverIsRefusedUnderAnAcceptedBatchsKeyItsContentIsSentAgain() {
    twoModels();
    GradientBatch countless = squares("a", 1, 1, 2, 3);
    countless.setSource("file");
    countless.setExamples(0);
    GradientBatch unknownEncoding = GradientBatch.newBuilder(countless).setExamples(1).build();
    unknownEncoding.setEncoding(Encoding.UNKNOWN);
    GradientBatch negative = GradientBatch.newBuilder(unknownEncoding).build();
    negative.setEncoding(Encoding.SQUARED_SUM);
    negative.setData(floats(1, -2, 3));
    List<byte[]> refused = new ArrayList<>();
    refused.add(bytes("garbage"));
    refused.add(encode(countless));
    refused.add(encode(unknownEncoding));
    refused.add(encode(negative));
    refused.add(encode(squares("a", 1, 1, 0, 3))); // of s#0, under the key of file#0
    refused.add(encode(squares("nobody", 1, 1, 0, 3)));
    refused.add(null);
    assertRefused(stage.topics().gradientBatches(), "w[0] a@1 file#0", refused);
    assertRefused(
        stage.topics().gradientBatches(), "void[0] a@1 file#0", List.of(bytes("garbage")));
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void aRefusalUnderTheKeyOfAStaleVersionIsAnsweredOnceAndTheVersionCanStillBeMerged() {
    twoModels();
    stage.announce(model("a", 2).build());
    stage.pipe(stage.topics().checkpointShards(), bytes("w[0] a@1"), bytes("garbage"));
    stage.pipe(stage.topics().gradientBatches(), bytes("w[0] a@1 file#0"), bytes("garbage"));
    assertThat(stage.reasons()).hasSize(2);
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void aSealedSumOutlivesWhateverOthersPutUnderItsKey() {
    stage.announce(model("a", 1).setExamples(2).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    for (int i = 0; i < 2; i++) {
      stage.gradients(batch("a", 1, "scale", "s", i, 1, Encoding.SQUARED_SUM, floats(0.5f)));
      stage.gradients(batch("a", 1, "void", "s", i, 1, Encoding.SQUARED_SUM, floats()));
      stage.gradients(batch("a", 1, "w", "s", i, 1, Encoding.SQUARED_SUM, floats(1, 0, 3)));
    }
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    GradientBatch forged =
        batch("a", 1, "w", "@sealed", 1, 2, Encoding.SQUARED_SUM, floats(7, 7, 7));
    assertRefused(
        stage.topics().gradientBatches(),
        "w[0] a@1 @sealed#1",
        Arrays.asList(encode(forged), bytes("garbage"), null));
    assertMergesTwoFromTheTopicsAlone();
  }

  @Test
  void garbageUnderTheKeyOfALostShardIsRefusedAndTheShardReportedMissing() {
    twoModels();
    stage.progress();
    stage.lose("w[0] a@1");
    delete(stage.folder("a", 1));
    stage.restart();
    stage.pipe(stage.topics().checkpointShards(), bytes("w[0] a@1"), bytes("garbage"));
    assertThat(stage.reasons()).hasSize(1);
    assertThat(stage.progress().last("a").getMissing()).containsExactly("w[0]");
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    planTwo(1);
    stage.work();
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void otherContentOfABatchInASealedSumIsADeadLetterAndNothingOfItStays() {
    stage.announce(model("a", 1).setExamples(70).build());
    for (int i = 0; i < 70; i++) {
      stage.gradients(batch("a", 1, "w", "s", i, 1, Encoding.SQUARED_SUM, floats(i, 0, 1)));
    }
    assertThat(stage.tombstones()).hasSize(70);
    stage.gradients(batch("a", 1, "w", "s", 69, 1, Encoding.PER_EXAMPLE, floats(0, 0, 1)));
    assertThat(stage.reasons())
        .singleElement()
        .asString()
        .contains("w[0] of a@1: s#69 came before with other content");
    stage.gradients(batch("a", 1, "w", "s", 6, 2, Encoding.SQUARED_SUM, floats(6, 0, 1)));
    assertThat(stage.reasons()).as("another count of examples").hasSize(1);
    stage.gradients(batch("a", 1, "w", "s", 69, 1, Encoding.SQUARED_SUM, floats(69, 0, 1)));
    assertThat(stage.reasons()).as("the same content").isEmpty();
    stage.gradients(batch("a", 1, "w", "s", 5, 1, Encoding.SQUARED_SUM, floats(7, 0, 1)));
    assertThat(stage.reasons()).as("the 65th last is forgotten").isEmpty();
    assertThat(stage.tombstones())
        .containsExactly("w[0] a@1 s#69", "w[0] a@1 s#6", "w[0] a@1 s#69", "w[0] a@1 s#5");
  }

  @ParameterizedTest
  @ValueSource(ints = {3, 20})
  void otherContentOfAnOpenBatchIsADeadLetterAndTheFirstCounts(int before) {
    int all = before + 2; // of 20, the first are folded by then
    stage.announce(model("a", 1).setExamples(all).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "scale", "s", 0, all, Encoding.SQUARED_SUM, floats(1)));
    stage.gradients(batch("a", 1, "void", "s", 0, all, Encoding.SQUARED_SUM, floats()));
    for (int i = 0; i < before; i++) {
      stage.gradients(batch("a", 1, "w", "s", i, 1, Encoding.PER_EXAMPLE, floats(i, 0, 1)));
    }
    stage.gradients(batch("a", 1, "w", "s", 1, 1, Encoding.PER_EXAMPLE, floats(-1, 0, 1)));
    assertThat(stage.reasons()).as("the same squares").isEmpty();
    stage.gradients(batch("a", 1, "w", "s", 1, 1, Encoding.PER_EXAMPLE, floats(5, 0, 1)));
    stage.gradients(batch("a", 1, "w", "s", 2, 2, Encoding.PER_EXAMPLE, floats(2, 0, 1, 0, 0, 0)));
    assertThat(stage.reasons())
        .satisfiesExactly(
            r -> assertThat(r).contains("w[0] of a@1: s#1 came before with other content"),
            r -> assertThat(r).contains("w[0] of a@1: s#2 came before with other content"));
    stage.compact();
    delete(stage.folder("a", 1));
    stage.restart();
    for (int i = before; i < all; i++) {
      stage.gradients(batch("a", 1, "w", "s", i, 1, Encoding.PER_EXAMPLE, floats(i, 0, 1)));
    }
    // Σ i² + Σ 1 over all examples, divided by their number
    double squares = (all - 1.0) * all * (2.0 * all - 1) / 6;
    assertThat(new BigDecimal(total(stage.progress().last("a"), "w")).doubleValue())
        .isCloseTo((squares + all) / all, within(1e-12));
    assertThat(stage.reasons()).isEmpty();
  }

  private static GradientBatch squares(String model, long version, float... data) {
    return batch(model, version, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(data));
  }

  static Stream<Arguments> refused() {
    GradientBatch unknownParameter = squares("a", 1, 1, 2, 3);
    unknownParameter.setParameter("nowhere");
    GradientBatch unmerged = squares("base", 1, 1, 2, 3);
    GradientBatch noExamples = squares("a", 1, 1, 2, 3);
    noExamples.setExamples(0);
    GradientBatch reserved = squares("a", 1, 1, 2, 3);
    reserved.setSource("@else");
    GradientBatch unknownEncoding = squares("a", 1, 1, 2, 3);
    unknownEncoding.setEncoding(Encoding.UNKNOWN);
    GradientBatch noShard = squares("a", 1, 1, 2, 3);
    noShard.setShard(1);
    GradientBatch countless = squares("a", 1);
    countless.setEncoding(Encoding.PER_EXAMPLE);
    countless.setExamples(1L << 62);
    return Stream.of(
        Arguments.of(squares("a", 1, 1, 2), "8 bytes, expected 12"),
        Arguments.of(squares("a", 1, 1, -2, 3), "element 1 is -2.0"),
        Arguments.of(squares("a", 1, 1, 2, Float.NaN), "element 2 is NaN"),
        Arguments.of(squares("a", 1, 1, 2, Float.POSITIVE_INFINITY), "element 2 is Infinity"),
        Arguments.of(squares("a", 0, 1, 2, 3), "a@0 is stale: the current version is 1"),
        Arguments.of(squares("a", 2, 1, 2, 3), "a@2 is unknown: the newest version is 1"),
        Arguments.of(squares("c", 1, 1, 2, 3), "model c is unknown or withdrawn"),
        Arguments.of(unknownParameter, "nowhere[0] of a@1: a parameter that its manifest"),
        Arguments.of(unmerged, "w[0] of base@1: a parameter that its manifest does not merge"),
        Arguments.of(noExamples, "examples is 0"),
        Arguments.of(reserved, "'@else'"),
        Arguments.of(unknownEncoding, "unknown encoding"),
        Arguments.of(noShard, "there is no such shard, the parameter has 1"),
        Arguments.of(countless, "0 bytes, expected"));
  }

  @ParameterizedTest
  @MethodSource("refused")
  void aGradientBatchThatDoesNotFitIsADeadLetterAndTheStageGoesOn(
      GradientBatch batch, String reason) {
    stage.announce(model("a", 1).build());
    stage.gradients(batch);
    assertThat(stage.reasons()).singleElement().asString().contains(reason);
    twoModels();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
    assertThat(stage.reasons()).isEmpty();
  }

  @Test
  void checkpointShardsThatDoNotFitAreDeadLettersAndTheStageGoesOn() {
    stage.announce(model("a", 1).build());
    stage.checkpoint("a", 1, "w", 0, floats(1, 2));
    stage.checkpoint("a", 1, "w", 0, floats(1, Float.NaN, 3));
    stage.checkpoint("a", 1, "w", 1, floats(1, 2, 3));
    stage.checkpoint("a", 1, "nowhere", 0, floats(1));
    stage.checkpoint("a", 7, "w", 0, floats(1, 2, 3));
    CheckpointShard shard = new CheckpointShard("a", 1L, "w", 0, floats(1, 2, 3));
    stage.pipe(stage.topics().checkpointShards(), "w[0] a@2", shard);
    stage.pipe(stage.topics().checkpointShards(), bytes("w[0] a@1"), bytes("garbage"));
    stage.pipe(stage.topics().checkpointShards(), null, bytes("garbage"));
    stage.pipe(stage.topics().gradientBatches(), bytes("x"), new byte[] {0, 0, 0, 0, 1, -1, -1});
    stage.stage().pipe(stage.topics().mergePlans().name(), bytes("plan"), bytes("garbage"));
    assertThat(stage.reasons())
        .satisfiesExactly(
            r -> assertThat(r).contains("w[0] has 8 bytes, expected 12 (3 F32)"),
            r -> assertThat(r).contains("w[0]: element 1 is NaN"),
            r -> assertThat(r).contains("there is no such shard"),
            r -> assertThat(r).contains("nowhere[0] of a@1"),
            r -> assertThat(r).contains("a@7 is unknown"),
            r -> assertThat(r).contains("key is 'w[0] a@2', expected 'w[0] a@1'"),
            r -> assertThat(r).contains("wire format"),
            r -> assertThat(r).contains("no key"),
            r -> assertThat(r).contains("schema"),
            r -> assertThat(r).contains("wire format"));
    twoModels();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void aShardOfAnotherPartitionIsADeadLetter() {
    int partitions = 2;
    String elsewhere =
        Stream.of("u", "v", "w", "x")
            .filter(name -> Shard.partition(name, 0, partitions) == 1)
            .findFirst()
            .orElseThrow();
    close();
    stage = new MergeStageDriver(directory.resolve("two"), partitions);
    stage.announce(
        stage.manifest("a", 1, new Parameter(elsewhere, "F32", List.of(1L), true)).build());
    stage.checkpoint("a", 1, elsewhere, 0, floats(1));
    stage.fisher("a", 1, elsewhere, 1);
    assertThat(stage.reasons())
        .hasSize(2)
        .allSatisfy(reason -> assertThat(reason).contains("belongs to partition 1 of 2, not to 0"));
  }

  private enum Way {
    PER_EXAMPLE,
    SQUARED_SUM,
    SPARSE,
    MEAN_SQUARE
  }

  /** Gradients of four examples, (2, 0, 1), (-4, 0, 3), (0, 0, 0.5), (2, 0, -1). */
  private void fourExamples(Way way) {
    switch (way) {
      case PER_EXAMPLE -> {
        stage.gradients(
            batch("a", 1, "w", "s", 0, 2, Encoding.PER_EXAMPLE, floats(2, 0, 1, -4, 0, 3)));
        stage.gradients(
            batch("a", 1, "w", "s", 1, 2, Encoding.PER_EXAMPLE, floats(0, 0, 0.5f, 2, 0, -1)));
      }
      case SQUARED_SUM ->
          stage.gradients(
              batch("a", 1, "w", "s", 0, 4, Encoding.SQUARED_SUM, floats(24, 0, 11.25f)));
      case SPARSE -> {
        for (int part = 0; part < 2; part++) {
          GradientBatch batch =
              batch(
                  "a",
                  1,
                  "w",
                  "s",
                  part,
                  2,
                  Encoding.SPARSE_SQUARED_SUM,
                  part == 0 ? floats(20, 10) : floats(4, 1.25f));
          batch.setIndices(ints(0, 2));
          stage.gradients(batch);
        }
      }
      case MEAN_SQUARE ->
          stage.gradients(
              batch("a", 1, "w", "s", 0, 4, Encoding.MEAN_SQUARE, floats(6, 0, 2.8125f)));
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void everyEncodingGivesTheMeanOverTheExamples(Way way) {
    stage.announce(model("a", 1).setExamples(4).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "scale", "s", 0, 4, Encoding.SQUARED_SUM, floats(2)));
    stage.gradients(batch("a", 1, "void", "s", 0, 4, Encoding.PER_EXAMPLE, floats()));
    fourExamples(way);
    assertThat(stage.reasons()).isEmpty();
    assertThat(new BigDecimal(total(stage.progress().last("a"), "w")))
        .isEqualByComparingTo("8.8125");
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    planTwo(1);
    stage.work();
    assertThat(stage.merged().get("1/w"))
        .containsExactly(merge(6, 1, 0.125, 5), merge(0, -1, 0, 7), merge(2.8125, 0.5, 9, -2));
  }

  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void anyOrderOfManyBatchesAndARestartGiveTheSameBytes(long seed) {
    ModelManifest manifest = model("a", 1).setExamples(50).build();
    Random random = new Random(seed);
    List<GradientBatch> batches = new ArrayList<>();
    double[] exact = new double[3];
    for (int i = 0; i < 50; i++) {
      float[] squares = new float[3];
      for (int j = 0; j < 3; j++) {
        squares[j] = Math.scalb(1 + random.nextFloat(), random.nextInt(20) - 10);
        exact[j] += squares[j];
      }
      batches.add(batch("a", 1, "w", "s" + i % 3, i, 1, Encoding.SQUARED_SUM, floats(squares)));
    }
    List<String> sums = new ArrayList<>();
    for (int round = 0; round < 3; round++) {
      close();
      stage = new MergeStageDriver(directory.resolve("round" + round), 1);
      stage.announce(manifest);
      checkpoint("a", 1, 2, 1, -1, 0.5f);
      stage.gradients(batch("a", 1, "scale", "s", 0, 50, Encoding.SQUARED_SUM, floats(1)));
      stage.gradients(batch("a", 1, "void", "s", 0, 50, Encoding.SQUARED_SUM, floats()));
      for (int i = 0; i < 50; i++) {
        stage.gradients(batches.get(i));
        if (round == 2 && (i == 10 || i == 40)) {
          stage.restart();
        }
        if (round == 2 && (i == 25 || i == 45)) {
          delete(stage.folder("a", 1));
          stage.restart();
        }
        if (i % 7 == 0) {
          stage.gradients(batches.get(random.nextInt(i + 1))); // again
        }
      }
      ModelProgress progress = stage.progress().last("a");
      assertThat(progress.getEpoch()).isEqualTo(1);
      sums.add(progress.getSums().toString());
      assertThat(new BigDecimal(total(progress, "w")).doubleValue())
          .as("seed %d, round %d", seed, round)
          .isCloseTo((exact[0] + exact[1] + exact[2]) / 50, within(1e-5));
      assertThat(stage.tombstones())
          .as("the batches are replaced by their sum")
          .contains("w[0] a@1 s1#1")
          .satisfies(keys -> assertThat(Set.copyOf(keys)).hasSize(50));
      Collections.shuffle(batches, random);
    }
    assertThat(sums).containsOnly(sums.get(0));
  }

  /** Hundreds of batches of two shards, whose local files are lost in between. */
  @Test
  void neitherStateNorFilesGrowWithTheNumberOfBatches() throws IOException {
    int all = 300;
    stage.announce(model("a", 1).setExamples(all).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "void", "s", 0, all, Encoding.SQUARED_SUM, floats()));
    Random random = new Random(4);
    double w = 0;
    double scale = 0;
    for (int i = 0; i < all; i++) {
      if (i == 200) {
        assertFewOpen(12);
        delete(stage.folder("a", 1));
        stage.restart();
      }
      float g = random.nextFloat();
      stage.gradients(batch("a", 1, "w", "s", i, 1, Encoding.SQUARED_SUM, floats(g, 0, 3)));
      stage.gradients(batch("a", 1, "scale", "s", i, 1, Encoding.PER_EXAMPLE, floats(g)));
      w += g + 3;
      scale += (float) ((double) g * g);
      if (i == 210) {
        assertFewOpen(13);
      }
    }
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(1);
    assertThat(Double.parseDouble(total(progress, "w"))).isCloseTo(w / all, within(1e-6));
    assertThat(Double.parseDouble(total(progress, "scale"))).isCloseTo(scale / all, within(1e-7));
    assertThat(stage.reasons()).isEmpty();
    assertThat(Set.copyOf(stage.tombstones())).hasSize(2 * all);
    assertThat(folds()).isZero();
    assertThat(stage.folder("a", 1).toFile().list())
        .contains("fisher-1")
        .allSatisfy(name -> assertThat(name).matches("checkpoint|fisher-1"));
    assertThat(stage.folder("a", 1).resolveSibling("spare")).doesNotExist();
  }

  /** The state of both shards and the files that they share, when each has so many folds. */
  private void assertFewOpen(int folds) throws IOException {
    for (String shard : List.of("w[0]", "scale[0]")) {
      ShardState state =
          (ShardState)
              stage.stage().driver().getKeyValueStore(MergeTopology.SHARDS).get("a@1/" + shard);
      assertThat(state.getFolds()).isEqualTo(folds);
      assertThat(state.getOpen()).hasSizeLessThan(16);
    }
    assertThat(folds()).isEqualTo(2 * folds);
    try (Stream<Path> files = Files.list(stage.folder("a", 1))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .filteredOn(name -> !name.matches("open-\\d|open-1[0-5]|fisher-1"))
          .doesNotHaveDuplicates()
          .isSubsetOf("checkpoint", "partial-16384")
          .contains("partial-16384");
    }
  }

  private int folds() {
    int folds = 0;
    var store = stage.stage().driver().getKeyValueStore(MergeTopology.FOLDED);
    try (var all = store.all()) {
      while (all.hasNext()) {
        all.next();
        folds++;
      }
    }
    return folds;
  }

  @Test
  void aModelWithdrawnAmongItsBatchesLeavesNothing() {
    twoModels();
    stage.announce(model("c", 1).setExamples(100).build());
    for (int i = 0; i < 40; i++) {
      stage.gradients(batch("c", 1, "w", "s", i, 1, Encoding.SQUARED_SUM, floats(1, 2, 3)));
    }
    assertThat(folds()).isEqualTo(2);
    stage.withdraw("c");
    stage.plan(1, EPSILON, List.of(new RetiredModel("c", 1L)), planned("a", 1, 1, 0.75));
    stage.work();
    assertThat(folds()).isZero();
    assertThat(stage.tombstones()).hasSize(40).contains("w[0] c@1 s#0", "w[0] c@1 s#39");
    assertThat(stage.folder("c", 1)).doesNotExist();
  }

  private static String total(ModelProgress progress, String parameter) {
    return progress.getSums().stream()
        .filter(sums -> sums.getParameter().equals(parameter))
        .findFirst()
        .orElseThrow()
        .getTotal();
  }

  @Test
  void aBatchWithWhichTheSumLeavesFloat32IsRefusedAndTheOthersCount() {
    stage.announce(model("a", 1).setExamples(2).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(3e38f, 0, 0)));
    stage.gradients(batch("a", 1, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(3e38f, 0, 0)));
    assertThat(stage.reasons())
        .singleElement()
        .asString()
        .contains("w[0] of a@1", "element 0", "float32");
    stage.gradients(batch("a", 1, "w", "s", 2, 1, Encoding.SQUARED_SUM, floats(0, 2, 0)));
    stage.gradients(batch("a", 1, "void", "s", 2, 2, Encoding.SQUARED_SUM, floats()));
    stage.gradients(batch("a", 1, "scale", "s", 2, 2, Encoding.SQUARED_SUM, floats(2)));
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(1);
    assertThat(new BigDecimal(total(progress, "w")).doubleValue()).isEqualTo((3e38f + 2.0) / 2);
  }

  @Test
  void aRefinementAddsToTheDecayedEpochBefore() {
    stage.announce(model("a", 1).setExamples(2).setRefineEvery(2).setDecay(0.5).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "scale", "s", 0, 2, Encoding.SQUARED_SUM, floats(2)));
    stage.gradients(batch("a", 1, "void", "s", 0, 2, Encoding.SQUARED_SUM, floats()));
    stage.gradients(batch("a", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(1, 4, 0)));
    stage.gradients(batch("a", 1, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(3, 0, 0)));
    assertThat(stage.progress().last("a").getEpoch()).isEqualTo(1);
    stage.gradients(batch("a", 1, "scale", "s", 2, 2, Encoding.SQUARED_SUM, floats(1)));
    stage.gradients(batch("a", 1, "void", "s", 2, 2, Encoding.SQUARED_SUM, floats()));
    stage.gradients(batch("a", 1, "w", "s", 2, 2, Encoding.MEAN_SQUARE, floats(4, 0, 1)));
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(2);
    // (½·(4, 4, 0) + (8, 0, 2)) / (½·2 + 2): its sum is 14/3; of scale (½·2 + 1)/3
    assertThat(new BigDecimal(total(progress, "w")).doubleValue())
        .isCloseTo(14 / 3.0, within(1e-14));
    assertThat(new BigDecimal(total(progress, "scale")).doubleValue())
        .isCloseTo(2 / 3.0, within(1e-15));
    stage.tombstones();
    // the first epoch is still there for a plan that names it, and goes with one that does not
    stage.plan(1, EPSILON, List.of(), planned("a", 1, 1, 1));
    stage.work();
    assertThat(stage.merged().get("1/w")).containsExactly(1, -1, 0.5f);
    assertThat(stage.tombstones()).isEmpty();
    stage.plan(2, EPSILON, List.of(), planned("a", 1, 2, 1));
    stage.work();
    assertThat(stage.tombstones()).contains("w[0] a@1 @sealed#1", "scale[0] a@1 s#0");
    assertThat(stage.folder("a", 1).resolve("fisher-1")).doesNotExist();
    assertThat(stage.folder("a", 1).resolve("fisher-2")).exists();
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
  void theManifestUnderWhichAVersionBeganHoldsForAllOfIt() {
    stage.announce(model("a", 1).build());
    stage.checkpoint("a", 1, "w", 0, floats(1, -1, 0.5f));
    // the coordinator refuses it, but it is on the topic
    Parameter wider = new Parameter("scale", "F32", List.of(7L), true);
    stage.announce(stage.manifest("a", 1, wider, EMPTY, W).setExamples(3).build());
    stage.restart();
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    assertThat(stage.reasons()).isEmpty();
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void moreExamplesThanWantedAreRefusedWithoutRefinement() {
    stage.announce(model("a", 1).setExamples(1).build());
    stage.fisher("a", 1, "w", 1, 2, 3);
    stage.gradients(batch("a", 1, "w", "late", 0, 1, Encoding.SQUARED_SUM, floats(1, 2, 3)));
    assertThat(stage.reasons()).singleElement().asString().contains("accepts no more");
  }

  @Test
  void aRetiredModelsStateFilesAndRecordsAreDropped() {
    twoModels();
    planTwo(1);
    stage.work();
    stage.tombstones();
    stage.merged();
    stage.withdraw("b");
    stage.plan(2, EPSILON, List.of(new RetiredModel("b", 1L)), planned("a", 1, 1, 0.75));
    stage.work();
    assertThat(stage.merged().get("2/w")).containsExactly(1, -1, 0.5f);
    assertThat(stage.tombstones())
        .containsExactlyInAnyOrder(
            "scale[0] b@1",
            "void[0] b@1",
            "w[0] b@1",
            "scale[0] b@1 file#0",
            "void[0] b@1 file#0",
            "w[0] b@1 file#0");
    assertThat(stage.folder("b", 1)).doesNotExist();
    assertThat(stage.folder("a", 1)).exists();
    var shards = stage.stage().driver().getKeyValueStore(MergeTopology.SHARDS);
    try (var all = shards.all()) {
      all.forEachRemaining(entry -> assertThat((String) entry.key).doesNotStartWith("b@"));
    }
    stage.checkpoint("b", 1, "w", 0, floats(5, 7, -2));
    assertThat(stage.reasons()).singleElement().asString().contains("unknown or withdrawn");
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

  @Test
  void deletedLocalCopiesAreRestoredFromTheTopics() {
    twoModels();
    delete(stage.folder("a", 1));
    delete(stage.folder("base", 1));
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
    assertThat(stage.reads()).isEqualTo(2);
  }

  @Test
  void aPartitionThatComesBackWhenItsFilesAreRemovedIsRestoredFromTheTopics() {
    twoModels();
    stage.comeBackLate();
    assertThat(stage.folder("a", 1)).doesNotExist();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @ParameterizedTest
  @ValueSource(strings = {"checkpoint", "fisher-1"})
  void corruptedLocalCopiesAreRestoredFromTheTopics(String file) throws IOException {
    twoModels();
    Path path = stage.folder("b", 1).resolve(file);
    byte[] content = Files.readAllBytes(path);
    content[5] ^= 1;
    Files.write(path, content);
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void aTornLocalCopyIsRestoredFromTheTopics() throws IOException {
    twoModels();
    Path path = stage.folder("a", 1).resolve("checkpoint");
    Files.write(path, Arrays.copyOf(Files.readAllBytes(path), 7));
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void aSealedSumIsRestoredFromItsOwnRecord() {
    stage.announce(model("a", 1).setExamples(2).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "scale", "s", 0, 2, Encoding.SQUARED_SUM, floats(1)));
    stage.gradients(batch("a", 1, "void", "s", 0, 2, Encoding.SQUARED_SUM, floats()));
    stage.gradients(batch("a", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(0.5f, 0, 5)));
    stage.gradients(batch("a", 1, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(1.5f, 0, 1)));
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    stage.lose("w[0] a@1 s#"); // the batches' tombstones have been compacted
    delete(stage.folder("a", 1));
    stage.restart();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void aLostPayloadIsReportedMissingAndSendingItAgainHeals(boolean checkpoint) {
    twoModels();
    stage.progress();
    stage.lose(checkpoint ? "w[0] a@1" : "w[0] a@1 file");
    if (checkpoint) {
      stage.gradients(
          batch("a", 1, "w", "file", 0, 1, Encoding.MEAN_SQUARE, floats(1, 0, 3))); // a resend
    }
    delete(stage.folder("a", 1));
    stage.restart();
    planTwo(1);
    stage.work();
    stage.work();
    assertThat(stage.merged()).isEmpty();
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getMissing()).containsExactly("w[0]");
    if (checkpoint) {
      assertThat(progress.getPresent()).isEqualTo(2);
    } else {
      assertThat(progress.getPresent()).isEqualTo(3);
      assertThat(progress.getEpoch()).isZero();
      assertThat(progress.getSealed()).isEqualTo(2);
    }
    int reads = stage.reads();
    stage.work();
    assertThat(stage.reads()).as("a lost payload is not searched again and again").isEqualTo(reads);
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    progress = stage.progress().last("a");
    assertThat(progress.getPresent()).isEqualTo(3);
    assertThat(progress.getEpoch()).isEqualTo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void aLostPayloadOfARefinedModelIsReportedMissingUntilTheShardHasCaughtUp() {
    stage.announce(model("a", 1).setRefineEvery(1).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    List<GradientBatch> second =
        List.of(
            batch("a", 1, "scale", "s", 1, 1, Encoding.SQUARED_SUM, floats(1)),
            batch("a", 1, "void", "s", 1, 1, Encoding.SQUARED_SUM, floats()),
            batch("a", 1, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(1, 2, 3)));
    second.forEach(stage::gradients);
    stage.plan(1, EPSILON, List.of(), planned("a", 1, 2, 1));
    stage.work();
    String sums = stage.progress().last("a").getSums().toString();
    assertThat(stage.merged()).isNotEmpty();
    stage.lose("w[0] a@1 @sealed#2");
    delete(stage.folder("a", 1));
    stage.restart();
    stage.plan(2, EPSILON, List.of(), planned("a", 1, 2, 1));
    stage.work();
    assertThat(stage.progress().last("a").getMissing()).containsExactly("w[0]");
    stage.fisher("a", 1, "w", 1, 0, 3);
    stage.work();
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).as("no other shard has the first epoch any more").isZero();
    assertThat(progress.getMissing()).containsExactly("w[0]");
    second.forEach(stage::gradients);
    progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(2);
    assertThat(progress.getSums()).hasToString(sums);
    stage.work();
    assertThat(stage.merged().get("2/w")).containsExactly(1, -1, 0.5f);
  }

  private static void delete(Path folder) {
    try (Stream<Path> files = Files.list(folder)) {
      for (Path file : (Iterable<Path>) files::iterator) {
        Files.delete(file);
      }
    } catch (IOException e) {
      throw new AssertionError(e);
    }
  }

  private static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.UTF_8);
  }
}
