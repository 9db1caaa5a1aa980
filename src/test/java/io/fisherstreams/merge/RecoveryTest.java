package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergePartition.manifest;
import static io.fisherstreams.merge.MergePartition.parameter;
import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.merge.payload.PayloadName;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.CheckpointShard;
import io.fisherstreams.record.Encoding;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class RecoveryTest {
  @TempDir private Path directory;
  private MergePartition partition;
  private KnownModel model;
  private final List<String> lost = new ArrayList<>();
  private Recovery recovery;

  @BeforeEach
  void open() {
    partition = new MergePartition(directory);
    model = partition.model(manifest("a", 1), parameter("v", 1), parameter("w", 2));
    recovery =
        new Recovery(
            partition.topics,
            partition::open,
            partition.context.payloads(),
            (of, slot, isCheckpoint) ->
                lost.add((isCheckpoint ? "checkpoint " : "fisher ") + slot.shard().id()),
            0);
    partition.checkpoint("a", 1, "v", 4);
    partition.checkpoint("a", 1, "w", 1, 2);
    partition.gradients(batch("a", 1, "v", "s", 0, 1, Encoding.SQUARED_SUM, floats(9)));
    partition.gradients(batch("a", 1, "w", "s", 0, 1, Encoding.PER_EXAMPLE, floats(2, -3)));
  }

  @AfterEach
  void close() {
    partition.close();
  }

  private Recovery.RestoreRequest everything() {
    Recovery.RestoreRequest request = recovery.request();
    for (String name : List.of("v", "w")) {
      ShardState state = partition.state(model, name);
      request.needCheckpoint(model, model.checkpointSlot(name, 0), state);
      request.needFisher(model, model.fisherSlot(name, 0), state.getEpochs().get(0));
    }
    return request;
  }

  private void deleteFiles() {
    partition.deleteFile(model, PayloadName.CHECKPOINT);
    partition.deleteFile(model, PayloadName.fisher(1));
  }

  @Test
  void whatIsAvailableIsNotReadAgain() {
    Recovery.RestoreRequest request = everything();
    assertThat(request.isEmpty()).isTrue();
    assertThat(request.run()).isTrue();
    assertThat(partition.reads()).isZero();
  }

  @Test
  void eachTopicIsReadOnceForAllShards() {
    deleteFiles();
    Recovery.RestoreRequest request = everything();
    assertThat(request.isEmpty()).isFalse();
    assertThat(request.run()).isTrue();
    assertThat(partition.reads()).isEqualTo(2);
    assertThat(partition.floats(model, PayloadName.CHECKPOINT, 3)).containsExactly(4, 1, 2);
    assertThat(partition.floats(model, PayloadName.fisher(1), 3))
        .as("as squares, whatever the record's encoding")
        .containsExactly(9, 4, 9);
    assertThat(lost).isEmpty();
    assertThat(everything().isEmpty()).isTrue();
  }

  @Test
  void whatTheTopicNoLongerHasIsLost() {
    deleteFiles();
    partition.compactAway(partition.topics.gradientBatches());
    assertThat(everything().run()).isFalse();
    assertThat(lost).containsExactlyInAnyOrder("fisher v[0]", "fisher w[0]");
    assertThat(partition.floats(model, PayloadName.CHECKPOINT, 3)).containsExactly(4, 1, 2);
  }

  @Test
  void differentContentUnderTheKeyIsPassedOver() {
    deleteFiles();
    partition.compactAway(partition.topics.checkpointShards());
    partition.append(
        partition.topics.checkpointShards(), new CheckpointShard("a", 1L, "v", 0, floats(5)));
    assertThat(everything().run()).isFalse();
    assertThat(lost).containsExactlyInAnyOrder("checkpoint v[0]", "checkpoint w[0]");
    assertThat(partition.floats(model, PayloadName.fisher(1), 3)).containsExactly(9, 4, 9);
  }

  @Test
  void readingGoesOnWhereAStepEnded() {
    deleteFiles();
    Recovery.RestoreRequest request = everything();
    int steps = 0;
    while (!request.step(() -> true)) {
      steps++;
    }
    assertThat(steps).isGreaterThanOrEqualTo(2);
    assertThat(request.finish()).isTrue();
    assertThat(partition.reads()).isEqualTo(2);
    assertThat(partition.floats(model, PayloadName.fisher(1), 3)).containsExactly(9, 4, 9);
  }
}
