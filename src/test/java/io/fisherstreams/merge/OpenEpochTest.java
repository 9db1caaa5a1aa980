package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.OpenBatch;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.ShardKey.BatchName;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Path;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class OpenEpochTest {
  private static final PayloadName PARTIAL = PayloadName.partial(16_384);

  @TempDir private Path directory;
  private MergePartition partition;
  private KnownModel model;
  private ShardState state;
  private OpenEpoch epoch;

  @BeforeEach
  void open() {
    partition = new MergePartition(directory);
    model = partition.model(manifest("a", 1).setExamples(1000), parameter("w", 2));
    load();
  }

  @AfterEach
  void close() {
    partition.close();
  }

  private void load() {
    state = partition.state(model, "w");
    epoch = new OpenEpoch(partition.context, model, model.fisherSlot("w", 0), state);
  }

  /** Batches 0, 1, … with squares (i, 2⁻ⁱ) of i + 1 examples. */
  private void arrive(int first, int end) {
    for (int i = first; i < end; i++) {
      partition.gradients(
          batch("a", 1, "w", "s", i, i + 1, Encoding.SQUARED_SUM, floats(i, Math.scalb(1f, -i))));
    }
    load();
  }

  private float[] sum() {
    float[] target = new float[2];
    epoch.sum(Optional.empty(), 1, target);
    return target;
  }

  private static float[] expected(int end) {
    return new float[] {end * (end - 1) / 2f, (float) (2 - Math.scalb(1.0, 1 - end))};
  }

  @Test
  void batchesAreKeptOneByOneUntilTheEpochIsFull() {
    assertThat(epoch.isEmpty()).isTrue();
    arrive(0, 15);
    assertThat(epoch.isEmpty()).isFalse();
    assertThat(epoch.isAlmostFull()).isTrue();
    assertThat(epoch.examples()).isEqualTo(15 * 16 / 2);
    assertThat(state.getFolds()).isZero();
    assertThat(sum()).containsExactly(expected(15));
    assertThat(partition.floats(model, PayloadName.open(14), 2))
        .containsExactly(14, Math.scalb(1f, -14));
  }

  @Test
  void theSixteenthBatchFoldsThemIntoAPartialSum() {
    arrive(0, 20);
    assertThat(state.getFolds()).isEqualTo(1);
    assertThat(state.getPartialFolds()).isEqualTo(1);
    assertThat(state.getOpen()).hasSize(4);
    assertThat(epoch.examples()).isEqualTo(20 * 21 / 2);
    assertThat(epoch.batches()).extracting(OpenBatch::getSequence).hasSize(20).isSorted();
    // high parts, then low parts, of pairs of float64
    ByteBuffer partial =
        partition.context.payloads().file(model.version(), PARTIAL).read(0, 2 * 16);
    partial.order(ByteOrder.LITTLE_ENDIAN);
    assertThat(partial.getDouble(0)).isEqualTo(16 * 15 / 2.0);
    assertThat(partial.getDouble(8)).isEqualTo(2 - Math.scalb(1.0, -15));
    assertThat(partial.getDouble(16)).isZero();
    assertThat(partial.getDouble(24)).isZero();
    assertThat(sum()).containsExactly(expected(20));
  }

  @Test
  void aBatchIsFoundWhetherItIsFoldedOrNot() {
    arrive(0, 20);
    assertThat(epoch.find(new BatchName("s", 18)).orElseThrow())
        .satisfies(
            found -> {
              assertThat(found.file()).isEqualTo(PayloadName.open(2));
              assertThat(found.examples()).isEqualTo(19);
            });
    assertThat(epoch.find(new BatchName("s", 3)).orElseThrow())
        .satisfies(
            found -> {
              assertThat(found.file()).isEqualTo(PayloadName.again(0));
              assertThat(found.examples()).isEqualTo(4);
            });
    assertThat(epoch.find(new BatchName("s", 20))).isEmpty();
    assertThat(epoch.find(new BatchName("t", 3))).isEmpty();
  }

  @Test
  void aLostPartialSumIsComputedAgainFromTheTopic() {
    arrive(0, 40);
    assertThat(state.getFolds()).isEqualTo(2);
    partition.deleteFile(model, PARTIAL);
    partition.deleteFile(model, PayloadName.open(3));
    assertThat(epoch.restore(Optional.empty())).isTrue();
    load();
    assertThat(state.getPartialFolds()).isEqualTo(2);
    assertThat(sum()).containsExactly(expected(40));
    assertThat(partition.files.resolve("0/a@1").toFile().list())
        .as("files of restored batches are deleted")
        .noneMatch(name -> name.startsWith("again"));
    assertThat(partition.context.ledger().losses()).isZero();
  }

  @Test
  void whenTheTopicLacksAFoldedBatchTheShardIsLost() {
    arrive(0, 20);
    partition.deleteFile(model, PARTIAL);
    partition.compactAway(partition.topics.gradientBatches());
    assertThat(epoch.restore(Optional.empty())).isFalse();
    load();
    assertThat(epoch.isEmpty()).isTrue();
    assertThat(partition.context.ledger().losses()).isEqualTo(1);
    assertThat(partition.folded.approximateNumEntries()).isZero();
  }

  @Test
  void aClearedEpochHasNothing() {
    arrive(0, 20);
    epoch.clear();
    assertThat(epoch.isEmpty()).isTrue();
    assertThat(epoch.examples()).isZero();
    assertThat(epoch.batches()).isEmpty();
    assertThat(partition.folded.approximateNumEntries()).isZero();
  }
}
