package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.Parameter;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.RetiredModel;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RetirementTest {
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

  private static MergePlan plan(List<RetiredModel> retired, PlannedModel... models) {
    return MergePartition.plan(
        MergeMethods.fisher(List.of(), false, 0.0, null), retired, List.of(models));
  }

  private KnownModel model(long version) {
    KnownModel model =
        partition.model(
            manifest("a", version).setExamples(2),
            parameter("w", 1),
            new Parameter("kept", "F32", List.of(1L), false));
    partition.checkpoint("a", version, "w", 1);
    partition.checkpoint("a", version, "kept", 1);
    partition.gradients(batch("a", version, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(1)));
    return model;
  }

  @Test
  void everyRecordOfARetiredVersionGetsATombstoneAndItsStateGoes() {
    KnownModel first = model(1);
    KnownModel second = model(2);
    KnownModel third = model(3);
    partition.gradients(batch("a", 3, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(1)));
    partition.forget();
    assertThat(
            new Retirement(partition.context)
                .step(plan(List.of(new RetiredModel("a", 2L))), () -> false))
        .isTrue();
    assertThat(partition.tombstones(MergeTopology.TO_CHECKPOINT_SHARDS))
        .containsExactlyInAnyOrder("w[0] a@1", "kept[0] a@1", "w[0] a@2", "kept[0] a@2");
    assertThat(partition.tombstones(MergeTopology.TO_GRADIENT_BATCHES))
        .containsExactlyInAnyOrder("w[0] a@1 s#0", "w[0] a@2 s#0");
    assertThat(partition.tombstones(MergeTopology.TO_PROGRESS))
        .containsExactlyInAnyOrder("a@1/0", "a@2/0");
    assertThat(partition.context.ledger().heldVersions("a")).containsExactly(third.version());
    for (KnownModel model : List.of(first, second)) {
      assertThat(partition.shards.get(model.id() + "/w[0]")).isNull();
      assertThat(partition.files.resolve("0").resolve(model.id())).doesNotExist();
    }
    assertThat(partition.shards.get("a@3/w[0]")).isNotNull();
    assertThat(partition.files.resolve("0/a@3/fisher-1")).exists();
  }

  @Test
  void aStepThatEndsEarlyIsContinuedByTheNext() {
    model(1);
    Retirement retirement = new Retirement(partition.context);
    MergePlan plan = plan(List.of(new RetiredModel("a", 1L)));
    assertThat(retirement.step(plan, () -> true)).isFalse();
    assertThat(partition.shards.approximateNumEntries()).isEqualTo(1);
    assertThat(partition.context.ledger().heldVersions("a")).hasSize(1);
    assertThat(partition.tombstones(MergeTopology.TO_PROGRESS)).isEmpty();
    assertThat(retirement.step(plan, () -> false)).isTrue();
    assertThat(partition.context.ledger().heldVersions("a")).isEmpty();
    assertThat(partition.tombstones(MergeTopology.TO_CHECKPOINT_SHARDS))
        .as("one each")
        .containsExactlyInAnyOrder("w[0] a@1", "kept[0] a@1");
  }

  @Test
  void filesOfEpochsBeforeThePlannedOneAreDeleted() {
    partition.model(manifest("a", 1).setExamples(1).setRefineEvery(1), parameter("w", 1));
    for (int i = 0; i < 3; i++) {
      partition.gradients(batch("a", 1, "w", "s", i, 1, Encoding.SQUARED_SUM, floats(1)));
    }
    Path folder = partition.files.resolve("0/a@1");
    assertThat(folder.resolve("fisher-1")).exists();
    assertThat(
            new Retirement(partition.context)
                .step(plan(List.of(), planned("a", 1, 3, 1)), () -> false))
        .isTrue();
    assertThat(folder.toFile().list()).containsExactly("fisher-3");
  }

  @Test
  void aStepMakesProgressHoweverManyShardsWereRemovedBefore() {
    Parameter[] parameters = new Parameter[50];
    for (int i = 0; i < parameters.length; i++) {
      parameters[i] = parameter("w" + i, 1);
    }
    partition.model(manifest("a", 1), parameters);
    for (Parameter parameter : parameters) {
      partition.checkpoint("a", 1, parameter.getName(), 1);
    }
    Retirement retirement = new Retirement(partition.context);
    MergePlan plan = plan(List.of(new RetiredModel("a", 1L)));
    int steps = 1;
    while (!retirement.step(plan, () -> true)) {
      steps++;
    }
    assertThat(steps).isEqualTo(parameters.length + 1);
    assertThat(partition.shards.approximateNumEntries()).isZero();
  }
}
