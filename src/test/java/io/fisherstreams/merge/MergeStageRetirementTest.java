package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.RetiredModel;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.junit.jupiter.api.Test;

/** A retired model leaves nothing. */
class MergeStageRetirementTest extends MergeStageFixture {
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
  void aPlanThatIsSentAgainWithALongerListRetiresWithoutMergingAgain() {
    twoModels();
    planTwo(1);
    stage.work();
    assertThat(stage.merged()).isNotEmpty();
    assertThat(stage.progress().releases()).extracting(ReleaseProgress::getShards).containsOnly(4L);
    stage.withdraw("a");
    stage.withdraw("b");
    List<RetiredModel> both = List.of(new RetiredModel("a", 1L), new RetiredModel("b", 1L));
    stage.plan(1, EPSILON, both, 7, planned("a", 1, 1, 0.75), planned("b", 1, 1, 0.25));
    stage.restart();
    stage.work();
    assertThat(stage.merged()).isEmpty();
    assertThat(stage.folder("a", 1)).doesNotExist();
    assertThat(stage.folder("b", 1)).doesNotExist();
    assertThat(stage.progress().releases())
        .singleElement()
        .satisfies(
            report -> {
              assertThat(report.getShards()).isEqualTo(4);
              assertThat(report.getRetirement()).isEqualTo(7);
            });
    stage.plan(1, EPSILON, both, 7, planned("a", 1, 1, 0.75), planned("b", 1, 1, 0.25));
    stage.work();
    assertThat(stage.progress().releases()).as("it has done that").isEmpty();
  }

  /** Files that are kept to be recycled have the bytes of the version that they were made for. */
  @Test
  void ofAWithdrawnModelNoBytesStayOnTheDisk() {
    twoModels();
    stage.announce(model("b", 2).build());
    stage.plan(1, EPSILON, List.of(new RetiredModel("b", 1L)), planned("a", 1, 1, 1));
    stage.work();
    Path recycled = stage.folder("b", 1).resolveSibling("spare");
    assertThat(recycled).as("of a replaced version").isNotEmptyDirectory();
    stage.withdraw("b");
    stage.withdraw("a");
    stage.plan(2, EPSILON, List.of(new RetiredModel("a", 1L)), 1, true);
    stage.work();
    assertThat(stage.folder("a", 1)).doesNotExist();
    assertThat(recycled).doesNotExist();
  }

  @Test
  void aPlanThatOnlyRetiresMergesNothing() {
    twoModels();
    stage.withdraw("b");
    stage.plan(0, EPSILON, List.of(new RetiredModel("b", 1L)), 1, true);
    stage.work();
    assertThat(stage.merged()).isEmpty();
    assertThat(stage.folder("b", 1)).doesNotExist();
    stage.plan(1, EPSILON, List.of(), planned("a", 1, 1, 1));
    stage.work();
    assertThat(stage.merged()).containsKey("1/w");
  }

  @Test
  void filesThatNoStateNamesGoWithoutARestart() throws IOException {
    twoModels();
    Path leftover = Files.createDirectories(stage.folder("gone", 3));
    Files.write(leftover.resolve("open-0"), new byte[12]);
    stage.stage().advance(Duration.ofMinutes(11));
    assertThat(leftover).doesNotExist();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  @Test
  void filesOfAVersionThatWasRetiredElsewhereGoWhenThePartitionComesBack() throws IOException {
    twoModels();
    planTwo(1);
    stage.work();
    Path retiredElsewhere = Files.createDirectories(stage.folder("gone", 3));
    Files.write(retiredElsewhere.resolve("open-0"), new byte[12]);
    stage.restart();
    assertThat(retiredElsewhere).doesNotExist();
    assertThat(stage.folder("a", 1)).isNotEmptyDirectory();
    assertThat(stage.folder("base", 1)).isNotEmptyDirectory();
    planTwo(2);
    stage.work();
    assertMergesTwo(2);
    assertThat(stage.reads()).as("nothing was restored").isZero();
  }
}
