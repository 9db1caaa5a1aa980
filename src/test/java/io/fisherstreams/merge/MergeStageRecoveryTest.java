package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelProgress;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Missing, damaged and lost payloads. */
class MergeStageRecoveryTest extends MergeStageFixture {
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

  @Test
  void theInstanceThatGetsAPartitionReportsWhatTheOneBeforeItOwed() {
    stage.announce(model("a", 1).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.restart(); // before the delayed report on a model that awaits its Fisher
    stage.work();
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getPresent()).isEqualTo(3);
    assertThat(progress.getMissing()).hasSize(3);
    assertThat(progress.getSealed()).isZero();
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

  /** A withdrawal finds no names in the state of an emptied shard: its records go at once. */
  @Test
  void whatIsLeftOfALostShardsBatchesIsRemovedFromTheTopic() {
    stage.announce(model("a", 1).setExamples(4).build());
    GradientBatch first = batch("a", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(1, 2, 3));
    GradientBatch second = batch("a", 1, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(4, 5, 6));
    stage.gradients(first);
    stage.gradients(second);
    stage.lose("w[0] a@1 s#0");
    delete(stage.folder("a", 1));
    stage.restart();
    // the batch that would seal the epoch finds that one is lost: the shard begins anew with it
    stage.gradients(batch("a", 1, "w", "s", 2, 2, Encoding.SQUARED_SUM, floats(1, 1, 1)));
    assertThat(stage.tombstones()).containsExactly("w[0] a@1 s#0", "w[0] a@1 s#1");
    assertThat(stage.reasons()).isEmpty();
    stage.gradients(first);
    stage.gradients(second);
    stage.gradients(batch("a", 1, "scale", "s", 0, 4, Encoding.SQUARED_SUM, floats(1)));
    stage.gradients(batch("a", 1, "void", "s", 0, 4, Encoding.SQUARED_SUM, floats()));
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    assertThat(total(stage.progress().last("a"), "w")).isEqualTo("6"); // (6 + 8 + 10) / 4
    assertThat(stage.reasons()).isEmpty();
  }
}
