package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.AppliedSource;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.ShardKey.BatchName;
import java.nio.file.Path;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class FisherShardTest {
  private static final String GRADIENTS = MergeTopology.TO_GRADIENT_BATCHES;

  @TempDir private Path directory;
  private MergePartition partition;

  @BeforeEach
  void open() {
    partition = new MergePartition(directory);
  }

  @AfterEach
  void close() {
    partition.close();
  }

  private KnownModel model(long examples) {
    return partition.model(manifest("a", 1).setExamples(examples), parameter("w", 3));
  }

  private static GradientBatch sum(String source, long sequence, long examples, float... values) {
    return batch("a", 1, "w", source, sequence, examples, Encoding.SQUARED_SUM, floats(values));
  }

  @Test
  void aBatchWithAllExamplesIsSealedAsItIs() {
    KnownModel model = model(4);
    partition.gradients(sum("s", 7, 8, 24, 0, 12));
    SealedFisher sealed = partition.state(model, "w").getEpochs().get(0);
    assertThat(sealed.getEpoch()).isEqualTo(1);
    assertThat(sealed.getExamples()).isEqualTo(8);
    assertThat(sealed.getDivisor()).isEqualTo(8);
    assertThat(sealed.getTotal()).isEqualTo(3 + 1.5);
    assertThat(sealed.getSquares()).isEqualTo(9 + 1.5 * 1.5);
    assertThat(sealed.getSource()).isEqualTo("s");
    assertThat(sealed.getSequence()).isEqualTo(7);
    assertThat(sealed.getOffset()).isZero();
    assertThat(partition.floats(model, PayloadName.fisher(1), 3)).containsExactly(24, 0, 12);
    assertThat(partition.sent(GRADIENTS)).isEmpty();
    assertThat(partition.tombstones(GRADIENTS)).isEmpty();
  }

  @Test
  void severalBatchesAreSealedAsOneSumThatReplacesTheirRecords() {
    KnownModel model = model(4);
    partition.gradients(sum("s", 0, 1, 1, 0, 2));
    partition.gradients(batch("a", 1, "w", "t", 5, 2, Encoding.MEAN_SQUARE, floats(0.5f, 0, 3)));
    assertThat(partition.state(model, "w").getEpochs()).isEmpty();
    partition.gradients(sum("s", 1, 1, 2, 0, 0));
    ShardState state = partition.state(model, "w");
    SealedFisher sealed = state.getEpochs().get(0);
    assertThat(state.getOpen()).isEmpty();
    assertThat(sealed.getExamples()).isEqualTo(4);
    // (1 + 2·0.5 + 2, 0, 2 + 2·3) over four examples
    assertThat(partition.floats(model, PayloadName.fisher(1), 3)).containsExactly(4, 0, 8);
    assertThat(sealed.getTotal()).isEqualTo(1 + 2);
    assertThat(sealed.getSquares()).isEqualTo(1 + 4);
    assertThat(partition.sent(GRADIENTS))
        .singleElement()
        .satisfies(
            sent -> {
              GradientBatch record = (GradientBatch) sent;
              assertThat(record.getSource()).isEqualTo("@sealed");
              assertThat(record.getSequence()).isEqualTo(1);
              assertThat(record.getExamples()).isEqualTo(4);
              assertThat(record.getEncoding()).isEqualTo(Encoding.SQUARED_SUM);
              assertThat(record.getData()).isEqualTo(floats(4, 0, 8));
            });
    assertThat(partition.tombstones(GRADIENTS))
        .containsExactly("w[0] a@1 s#0", "w[0] a@1 t#5", "w[0] a@1 s#1");
  }

  @Test
  void aRefinementAddsTheDecayedSumOfTheEpochBefore() {
    KnownModel model =
        partition.model(
            manifest("a", 1).setExamples(2).setRefineEvery(3).setDecay(0.5), parameter("w", 3));
    partition.gradients(sum("s", 0, 2, 4, 0, 8));
    partition.gradients(sum("s", 1, 3, 1, 1, 1));
    List<SealedFisher> epochs = partition.state(model, "w").getEpochs();
    assertThat(epochs).extracting(SealedFisher::getEpoch).containsExactly(1, 2);
    assertThat(epochs.get(1).getExamples()).isEqualTo(0.5 * 2 + 3);
    assertThat(partition.floats(model, PayloadName.fisher(2), 3)).containsExactly(3, 1, 5);
  }

  @Test
  void aRepeatedBatchChangesNothingAndOtherContentIsRejected() {
    KnownModel model = model(4);
    partition.gradients(sum("s", 0, 1, 1, 0, 2));
    ShardState before = partition.state(model, "w");
    partition.gradients(sum("s", 0, 1, 1, 0, 2));
    assertThatThrownBy(() -> partition.gradients(sum("s", 0, 1, 1, 0, 3)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessageStartingWith("w[0] of a@1: s#0 came before with other content");
    assertThat(partition.state(model, "w")).isEqualTo(before);
  }

  /** The name of a lost batch is free: what arrives under it counts, whatever it was before. */
  @ParameterizedTest
  @ValueSource(booleans = {true, false})
  void afterALossOtherContentIsAcceptedAsNew(boolean sealed) {
    KnownModel model = model(2);
    partition.gradients(sum("s", 0, sealed ? 2 : 1, 1, 0, 2));
    partition.compactAway(partition.topics.gradientBatches());
    partition.deleteFile(model, sealed ? PayloadName.fisher(1) : PayloadName.open(0));
    partition.gradients(sum("s", 0, 2, 5, 6, 7));
    assertThat(partition.context.ledger().losses()).isEqualTo(1);
    assertThat(partition.state(model, "w").getEpochs())
        .singleElement()
        .satisfies(fisher -> assertThat(fisher.getTotal()).isEqualTo(18 / 2.0));
    assertThat(partition.floats(model, PayloadName.fisher(1), 3)).containsExactly(5, 6, 7);
  }

  /** The batch that would complete an epoch finds that an earlier one is lost, and begins again. */
  @Test
  void whenABatchOfTheSumIsLostTheNewestIsTheFirstOfTheEpoch() {
    KnownModel model = model(2);
    partition.gradients(sum("s", 0, 1, 1, 0, 2));
    partition.compactAway(partition.topics.gradientBatches());
    partition.deleteFile(model, PayloadName.open(0));
    partition.gradients(sum("s", 1, 1, 5, 6, 7));
    ShardState state = partition.state(model, "w");
    assertThat(state.getEpochs()).isEmpty();
    assertThat(state.getOpen()).singleElement().satisfies(b -> assertThat(b.getSequence()).isOne());
    partition.gradients(sum("s", 0, 1, 1, 0, 2));
    assertThat(partition.floats(model, PayloadName.fisher(1), 3)).containsExactly(6, 6, 9);
  }

  @Test
  void aMissingPayloadThatTheTopicStillHasIsRestoredForTheSum() {
    KnownModel model = model(2);
    partition.gradients(sum("s", 0, 1, 1, 0, 2));
    partition.deleteFile(model, PayloadName.open(0));
    partition.gradients(sum("s", 1, 1, 5, 6, 7));
    assertThat(partition.context.ledger().losses()).isZero();
    assertThat(partition.floats(model, PayloadName.fisher(1), 3)).containsExactly(6, 6, 9);
  }

  @Test
  void anOverflowingSumIsRejectedWithNothingSaved() {
    KnownModel model = model(2);
    partition.gradients(sum("s", 0, 1, 3e38f, 0, 0));
    ShardState before = partition.state(model, "w");
    assertThatThrownBy(() -> partition.gradients(sum("s", 1, 1, 3e38f, 0, 0)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessage("w[0] of a@1: with this batch the sum of element 0 is beyond float32");
    assertThat(partition.state(model, "w")).isEqualTo(before);
    assertThat(partition.sent(GRADIENTS)).isEmpty();
  }

  @Test
  void aSumOfOursThatIsRetiredIsIgnored() {
    KnownModel model = model(2);
    partition.gradients(sum(FisherShard.SEALED_SOURCE, 3, 2, 1, 1, 1));
    assertThat(partition.state(model, "w").getEpochs()).isEmpty();
  }

  @Test
  void aLostShardIsEmptyAndCanBeLostOnce() {
    KnownModel model = model(2);
    partition.gradients(sum("s", 0, 2, 1, 0, 2));
    partition.fisher(model, "w").lose();
    partition.fisher(model, "w").lose();
    assertThat(partition.context.ledger().losses()).isEqualTo(1);
    ShardState state = partition.state(model, "w");
    assertThat(state.getEpochs()).isEmpty();
    assertThat(state.getApplied()).isEmpty();
  }

  @Test
  void epochsBeforeAPlansAreRetiredAndTheOthersStay() {
    KnownModel model =
        partition.model(manifest("a", 1).setExamples(1).setRefineEvery(1), parameter("w", 3));
    for (int i = 0; i < 3; i++) {
      partition.gradients(sum("s", i, 1, 1, 0, 2));
    }
    partition.forget();
    partition.fisher(model, "w").retireBefore(3);
    assertThat(partition.tombstones(GRADIENTS))
        .containsExactly("w[0] a@1 s#0", "w[0] a@1 @sealed#2");
    assertThat(partition.state(model, "w").getEpochs())
        .extracting(SealedFisher::getEpoch)
        .containsExactly(3);
    partition.forget();
    partition.fisher(model, "w").retireBefore(3);
    assertThat(partition.tombstones(GRADIENTS)).isEmpty();
  }

  private record Pair(String source, long sequence) {}

  private static boolean isApplied(FisherShard shard, String source, long sequence) {
    return shard.isApplied(new BatchName(source, sequence));
  }

  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13, 14})
  void whatWasMarkedInAnyOrderIsAppliedAndNothingElse(long seed) {
    Random random = new Random(seed);
    KnownModel model = model(1);
    ShardState state = partition.state(model, "w");
    FisherShard shard = new FisherShard(partition.context, model, model.fisherSlot("w", 0), state);
    Set<Pair> reference = new HashSet<>();
    for (int i = 0; i < 400; i++) {
      Pair pair = new Pair("s" + random.nextInt(3), random.nextInt(120) - 20);
      assertThat(isApplied(shard, pair.source, pair.sequence))
          .as("seed %d, %s", seed, pair)
          .isEqualTo(reference.contains(pair));
      if (reference.add(pair)) {
        shard.markApplied(pair.source, pair.sequence);
      }
    }
    for (String source : List.of("s0", "s1", "s2", "s3")) {
      for (long sequence = -25; sequence < 105; sequence++) {
        assertThat(isApplied(shard, source, sequence))
            .isEqualTo(reference.contains(new Pair(source, sequence)));
      }
    }
    assertRunsAreAscendingAndApart(state.getApplied());
  }

  private static void assertRunsAreAscendingAndApart(List<AppliedSource> applied) {
    for (AppliedSource source : applied) {
      List<Long> ranges = source.getRanges();
      for (int i = 0; i < ranges.size(); i += 2) {
        assertThat(ranges.get(i)).isLessThanOrEqualTo(ranges.get(i + 1));
        if (i > 0) {
          assertThat(ranges.get(i)).isGreaterThan(ranges.get(i - 1) + 1);
        }
      }
    }
  }

  @Test
  void aSourceThatCountsUpTakesOneRun() {
    KnownModel model = model(1);
    ShardState state = partition.state(model, "w");
    FisherShard shard = new FisherShard(partition.context, model, model.fisherSlot("w", 0), state);
    for (long sequence = 0; sequence < 1000; sequence++) {
      shard.markApplied("worker", sequence);
    }
    assertThat(state.getApplied()).hasSize(1);
    assertThat(state.getApplied().get(0).getRanges()).containsExactly(0L, 999L);
  }

  @Test
  void theEndsOfTheNumbersAreSequencesLikeOthers() {
    long[] extremes = {
      Long.MAX_VALUE, Long.MIN_VALUE, 0, Long.MAX_VALUE - 1, Long.MIN_VALUE + 1, 5, -5
    };
    FisherShard shard = partition.fisher(model(1), "w");
    Set<Long> reference = new HashSet<>();
    for (long sequence : extremes) {
      shard.markApplied("s", sequence);
      reference.add(sequence);
      for (long asked : extremes) {
        assertThat(isApplied(shard, "s", asked)).isEqualTo(reference.contains(asked));
      }
    }
  }
}
