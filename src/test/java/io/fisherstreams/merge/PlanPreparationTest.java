package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.tensor.DType;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PlanPreparationTest {
  @TempDir private Path directory;
  private MergePartition partition;
  private KnownModel base;
  private KnownModel model;

  @BeforeEach
  void open() {
    partition = new MergePartition(directory);
    base = partition.model(manifest("base", 1), parameter("keep", 1), parameter("w", 2));
    model = partition.model(manifest("a", 1), parameter("w", 2));
    partition.checkpoint("base", 1, "keep", 7);
    partition.checkpoint("a", 1, "w", 1, 2);
    partition.gradients(batch("a", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(3, 4)));
  }

  @AfterEach
  void close() {
    partition.close();
  }

  private ResolvedPlan plan(String dtype, PlannedModel... models) {
    MergePlan plan =
        MergePartition.plan(
            MergeMethods.fisher(List.of("keep"), false, 0.0, dtype), List.of(), List.of(models));
    return ResolvedPlan.of(plan, partition.context.ledger()).orElseThrow();
  }

  private PlanPreparation preparation(PlannedModel... models) {
    return PlanPreparation.ofRest(partition.context, plan(null, models), 0);
  }

  @Test
  void thePlanSaysWhatIsMergedAndInWhichType() {
    ResolvedPlan plan = plan("F64", planned("a", 1, 1, 1), planned("unknown", 1, 1, 1));
    assertThat(plan.participants())
        .satisfiesExactly(
            known -> assertThat(known.held()).containsSame(model),
            unknown -> assertThat(unknown.held()).isEmpty());
    assertThat(plan.merges(base.checkpointSlot("w", 0).shard())).isTrue();
    assertThat(plan.merges(base.checkpointSlot("keep", 0).shard())).isFalse();
    assertThat(plan.outputDtype(base.checkpointSlot("w", 0).shard())).isEqualTo(DType.F64);
    assertThat(plan(null).outputDtype(base.checkpointSlot("w", 0).shard())).isEqualTo(DType.F32);
  }

  @Test
  void itIsCompleteWithoutTheBasesMergedShards() {
    PlanPreparation preparation = preparation(planned("a", 1, 1, 1));
    assertThat(preparation.step(() -> false)).isTrue();
    assertThat(preparation.isComplete()).isTrue();
    assertThat(partition.reads()).isZero();
  }

  @Test
  void theBasesShardIsNeededWhereNoModelHasAnotherValue() {
    partition.checkpoint("base", 1, "w", 5, 6);
    partition.deleteFile(base, PayloadName.CHECKPOINT);
    PlanPreparation preparation = preparation(planned("adapter", 1, 1, 1));
    assertThat(preparation.step(() -> false)).isTrue();
    assertThat(preparation.isComplete()).isTrue();
    assertThat(partition.floats(base, PayloadName.CHECKPOINT, 3)).containsExactly(7, 5, 6);
  }

  @Test
  void missingFilesAreRestored() {
    partition.deleteFile(base, PayloadName.CHECKPOINT);
    partition.deleteFile(model, PayloadName.CHECKPOINT);
    partition.deleteFile(model, PayloadName.fisher(1));
    PlanPreparation preparation = preparation(planned("a", 1, 1, 1));
    int steps = 1;
    while (!preparation.step(() -> true)) {
      assertThat(++steps).isLessThan(20);
    }
    assertThat(preparation.isComplete()).isTrue();
    assertThat(partition.floats(base, PayloadName.CHECKPOINT, 1)).containsExactly(7);
    assertThat(partition.floats(model, PayloadName.CHECKPOINT, 2)).containsExactly(1, 2);
    assertThat(partition.floats(model, PayloadName.fisher(1), 2)).containsExactly(3, 4);
  }

  @Test
  void itIsIncompleteWithoutAnEpochACheckpointOrALostPayload() {
    PlanPreparation epoch = preparation(planned("a", 1, 2, 1));
    assertThat(epoch.step(() -> false)).isTrue();
    assertThat(epoch.isComplete()).isFalse();

    partition.model(manifest("b", 1), parameter("w", 2));
    partition.gradients(batch("b", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(3, 4)));
    PlanPreparation checkpoint = preparation(planned("b", 1, 1, 1));
    assertThat(checkpoint.step(() -> false)).isTrue();
    assertThat(checkpoint.isComplete()).isFalse();

    partition.deleteFile(model, PayloadName.fisher(1));
    partition.compactAway(partition.topics.gradientBatches());
    PlanPreparation lost = preparation(planned("a", 1, 1, 1));
    assertThat(lost.step(() -> false)).isTrue();
    assertThat(lost.isComplete()).isFalse();
    assertThat(partition.state(model, "w").getEpochs()).isEmpty();
  }
}
