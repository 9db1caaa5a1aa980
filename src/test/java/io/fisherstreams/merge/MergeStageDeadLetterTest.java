package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.ints;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.Role;
import io.fisherstreams.tensor.Shard;
import java.math.BigDecimal;
import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Rejected records are dead letters, and the stage goes on. */
class MergeStageDeadLetterTest extends MergeStageFixture {
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

  static Stream<Arguments> rejected() {
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
  @MethodSource("rejected")
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

  @ParameterizedTest
  @ValueSource(floats = {Float.POSITIVE_INFINITY, Float.NEGATIVE_INFINITY})
  void anInfiniteElementIsRejectedInAMergedParameterButNotInABase(float infinite) {
    stage.announce(model("a", 1).build());
    stage.checkpoint("a", 1, "w", 0, floats(1, infinite, 3));
    assertThat(stage.reasons())
        .singleElement()
        .asString()
        .contains("w[0]: element 1 is NaN or infinite");
    stage.announce(stage.manifest("base", 2, unmerged(W)).setRole(Role.BASE).build());
    stage.checkpoint("base", 2, "w", 0, floats(1, infinite, 3));
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

  @Test
  void moreExamplesThanWantedAreRejectedWithoutRefinement() {
    stage.announce(model("a", 1).setExamples(1).build());
    stage.fisher("a", 1, "w", 1, 2, 3);
    stage.gradients(batch("a", 1, "w", "late", 0, 1, Encoding.SQUARED_SUM, floats(1, 2, 3)));
    assertThat(stage.reasons()).singleElement().asString().contains("accepts no more");
  }
}
