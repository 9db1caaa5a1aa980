package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.BinnedMerge;
import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.merge.state.PlanState;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class PlanRunTest {
  private static final long BUDGET = Duration.ofHours(1).toNanos();

  @TempDir private Path directory;

  private static MergePlan plan(MergePartition partition) {
    partition.model(manifest("base", 1), parameter("w", 2));
    List<PlannedModel> models = new ArrayList<>();
    for (int m = 0; m < BinnedMerge.MIN_MODELS; m++) {
      String name = "m" + (char) ('a' + m);
      partition.model(manifest(name, 1), parameter("w", 2));
      partition.checkpoint(name, 1, "w", m, 2);
      partition.gradients(batch(name, 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(3, 4)));
      models.add(planned(name, 1, 1, 1));
    }
    return MergePartition.plan(
        MergeMethods.fisher(List.of(), false, 1e-6, null), List.of(), models);
  }

  /**
   * A block whose set an aborted transaction has taken back is of no use, and the models that it
   * would be built from are not local.
   */
  @Test
  void setsOfModelsAreCommittedBeforeABlockNamesThemWherePayloadsLeaveTheDisk() {
    try (MergePartition partition = new MergePartition(directory, LocalPayloads.RECENT);
        PlanRun run = new PlanRun(partition.context, MergeKernel.java(), System::nanoTime)) {
      run.begin(PlanState.newBuilder().setPlan(plan(partition)).build());
      run.step(BUDGET);
      assertThat(partition.isCommitDue()).isTrue();
      assertThat(partition.files.resolve("0/sums")).doesNotExist();
      assertThat(partition.sent(MergeTopology.TO_MERGED_TENSORS)).isEmpty();
      run.step(BUDGET);
      assertThat(partition.files.resolve("0/sums")).isNotEmptyDirectory();
      assertThat(partition.sent(MergeTopology.TO_MERGED_TENSORS)).hasSize(1);
      assertThat(run.state().getDone()).isTrue();
    }
  }
}
