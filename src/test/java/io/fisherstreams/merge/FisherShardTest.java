package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.SealedFisher;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.RejectedRecord;
import java.nio.file.Path;
import java.util.List;
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

  @Test
  void aBatchWhoseSequenceIsNoLongerRememberedIsRejected() {
    KnownModel model = model(1_000_000);
    partition.gradients(sum("s", 9, 1, 1, 0, 2));
    ShardState state = partition.state(model, "w");
    AppliedBatches applied = new AppliedBatches(state);
    for (long run = 1; run <= Limits.MAX_SEQUENCE_RUNS; run++) {
      applied.add("s", 9 + 2 * run);
    }
    partition.context.ledger().put(model, model.fisherSlot("w", 0).shard(), state);
    ShardState before = partition.state(model, "w");
    partition.gradients(sum("s", 9, 1, 1, 0, 2)); // a repeat that still waits in its epoch
    assertThatThrownBy(() -> partition.gradients(sum("s", 8, 1, 1, 0, 2)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessage(
            "w[0] of a@1: s#8 is older than the 8192 runs of sequences that a shard remembers;"
                + " it came before, or needs a sequence from 11 on");
    assertThat(partition.state(model, "w")).isEqualTo(before);
    partition.gradients(sum("s", 12, 1, 1, 0, 2)); // closes a gap, needs no run
    assertThat(partition.state(model, "w").getOpen()).hasSize(2);
  }
}
