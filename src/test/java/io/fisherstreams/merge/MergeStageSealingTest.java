package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.planned;
import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelManifest;
import io.fisherstreams.record.ModelProgress;
import java.io.IOException;
import java.math.BigDecimal;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Epochs of many batches: their sums, their folds and their refinement. */
class MergeStageSealingTest extends MergeStageFixture {
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void anyOrderOfManyBatchesAndARestartGiveTheSameBytes(long seed) {
    ModelManifest manifest = model("a", 1).setExamples(50).build();
    Random random = new Random(seed);
    List<GradientBatch> batches = new ArrayList<>();
    double[] exact = new double[3];
    for (int i = 0; i < 50; i++) {
      float[] squares = new float[3];
      for (int j = 0; j < 3; j++) {
        squares[j] = Math.scalb(1 + random.nextFloat(), random.nextInt(20) - 10);
        exact[j] += squares[j];
      }
      batches.add(batch("a", 1, "w", "s" + i % 3, i, 1, Encoding.SQUARED_SUM, floats(squares)));
    }
    List<String> sums = new ArrayList<>();
    for (int round = 0; round < 3; round++) {
      close();
      stage = new MergeStageDriver(directory.resolve("round" + round), 1);
      stage.announce(manifest);
      checkpoint("a", 1, 2, 1, -1, 0.5f);
      stage.gradients(batch("a", 1, "scale", "s", 0, 50, Encoding.SQUARED_SUM, floats(1)));
      stage.gradients(batch("a", 1, "void", "s", 0, 50, Encoding.SQUARED_SUM, floats()));
      for (int i = 0; i < 50; i++) {
        stage.gradients(batches.get(i));
        if (round == 2 && (i == 10 || i == 40)) {
          stage.restart();
        }
        if (round == 2 && (i == 25 || i == 45)) {
          delete(stage.folder("a", 1));
          stage.restart();
        }
        if (i % 7 == 0) {
          stage.gradients(batches.get(random.nextInt(i + 1))); // again
        }
      }
      ModelProgress progress = stage.progress().last("a");
      assertThat(progress.getEpoch()).isEqualTo(1);
      sums.add(progress.getSums().toString());
      assertThat(new BigDecimal(total(progress, "w")).doubleValue())
          .as("seed %d, round %d", seed, round)
          .isCloseTo((exact[0] + exact[1] + exact[2]) / 50, within(1e-5));
      assertThat(stage.tombstones())
          .as("the batches are replaced by their sum")
          .contains("w[0] a@1 s1#1")
          .satisfies(keys -> assertThat(Set.copyOf(keys)).hasSize(50));
      Collections.shuffle(batches, random);
    }
    assertThat(sums).containsOnly(sums.get(0));
  }

  /** Hundreds of batches of two shards, whose local files are lost in between. */
  @Test
  void neitherStateNorFilesGrowWithTheNumberOfBatches() throws IOException {
    int all = 300;
    stage.announce(model("a", 1).setExamples(all).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "void", "s", 0, all, Encoding.SQUARED_SUM, floats()));
    Random random = new Random(4);
    double w = 0;
    double scale = 0;
    for (int i = 0; i < all; i++) {
      if (i == 200) {
        assertFewOpen(12);
        delete(stage.folder("a", 1));
        stage.restart();
      }
      float g = random.nextFloat();
      stage.gradients(batch("a", 1, "w", "s", i, 1, Encoding.SQUARED_SUM, floats(g, 0, 3)));
      stage.gradients(batch("a", 1, "scale", "s", i, 1, Encoding.PER_EXAMPLE, floats(g)));
      w += g + 3;
      scale += (float) ((double) g * g);
      if (i == 210) {
        assertFewOpen(13);
      }
    }
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(1);
    assertThat(Double.parseDouble(total(progress, "w"))).isCloseTo(w / all, within(1e-6));
    assertThat(Double.parseDouble(total(progress, "scale"))).isCloseTo(scale / all, within(1e-7));
    assertThat(stage.reasons()).isEmpty();
    assertThat(Set.copyOf(stage.tombstones())).hasSize(2 * all);
    assertThat(folds()).isZero();
    assertThat(stage.folder("a", 1).toFile().list())
        .contains("fisher-1")
        .allSatisfy(name -> assertThat(name).matches("checkpoint|fisher-1"));
    assertThat(stage.folder("a", 1).resolveSibling("spare")).doesNotExist();
  }

  /** The state of both shards and the files that they share, when each has so many folds. */
  private void assertFewOpen(int folds) throws IOException {
    for (String shard : List.of("w[0]", "scale[0]")) {
      ShardState state =
          (ShardState)
              stage.stage().driver().getKeyValueStore(MergeTopology.SHARDS).get("a@1/" + shard);
      assertThat(state.getFolds()).isEqualTo(folds);
      assertThat(state.getOpen()).hasSizeLessThan(16);
    }
    assertThat(folds()).isEqualTo(2 * folds);
    try (Stream<Path> files = Files.list(stage.folder("a", 1))) {
      assertThat(files.map(file -> file.getFileName().toString()))
          .filteredOn(name -> !name.matches("open-\\d|open-1[0-5]|fisher-1"))
          .doesNotHaveDuplicates()
          .isSubsetOf("checkpoint", "partial-16384")
          .contains("partial-16384");
    }
  }

  @Test
  void aBatchWithWhichTheSumLeavesFloat32IsRejectedAndTheOthersCount() {
    stage.announce(model("a", 1).setExamples(2).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(3e38f, 0, 0)));
    stage.gradients(batch("a", 1, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(3e38f, 0, 0)));
    assertThat(stage.reasons())
        .singleElement()
        .asString()
        .contains("w[0] of a@1", "element 0", "float32");
    stage.gradients(batch("a", 1, "w", "s", 2, 1, Encoding.SQUARED_SUM, floats(0, 2, 0)));
    stage.gradients(batch("a", 1, "void", "s", 2, 2, Encoding.SQUARED_SUM, floats()));
    stage.gradients(batch("a", 1, "scale", "s", 2, 2, Encoding.SQUARED_SUM, floats(2)));
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(1);
    assertThat(new BigDecimal(total(progress, "w")).doubleValue()).isEqualTo((3e38f + 2.0) / 2);
  }

  @Test
  void aRefinementAddsToTheDecayedEpochBefore() {
    stage.announce(model("a", 1).setExamples(2).setRefineEvery(2).setDecay(0.5).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "scale", "s", 0, 2, Encoding.SQUARED_SUM, floats(2)));
    stage.gradients(batch("a", 1, "void", "s", 0, 2, Encoding.SQUARED_SUM, floats()));
    stage.gradients(batch("a", 1, "w", "s", 0, 1, Encoding.SQUARED_SUM, floats(1, 4, 0)));
    stage.gradients(batch("a", 1, "w", "s", 1, 1, Encoding.SQUARED_SUM, floats(3, 0, 0)));
    assertThat(stage.progress().last("a").getEpoch()).isEqualTo(1);
    stage.gradients(batch("a", 1, "scale", "s", 2, 2, Encoding.SQUARED_SUM, floats(1)));
    stage.gradients(batch("a", 1, "void", "s", 2, 2, Encoding.SQUARED_SUM, floats()));
    stage.gradients(batch("a", 1, "w", "s", 2, 2, Encoding.MEAN_SQUARE, floats(4, 0, 1)));
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(2);
    // (½·(4, 4, 0) + (8, 0, 2)) / (½·2 + 2): its sum is 14/3; of scale (½·2 + 1)/3
    assertThat(new BigDecimal(total(progress, "w")).doubleValue())
        .isCloseTo(14 / 3.0, within(1e-14));
    assertThat(new BigDecimal(total(progress, "scale")).doubleValue())
        .isCloseTo(2 / 3.0, within(1e-15));
    stage.tombstones();
    // the first epoch is still there for a plan that names it, and goes with one that does not
    stage.plan(1, EPSILON, List.of(), planned("a", 1, 1, 1));
    stage.work();
    assertThat(stage.merged().get("1/w")).containsExactly(1, -1, 0.5f);
    assertThat(stage.tombstones()).isEmpty();
    stage.plan(2, EPSILON, List.of(), planned("a", 1, 2, 1));
    stage.work();
    assertThat(stage.tombstones()).contains("w[0] a@1 @sealed#1", "scale[0] a@1 s#0");
    assertThat(stage.folder("a", 1).resolve("fisher-1")).doesNotExist();
    assertThat(stage.folder("a", 1).resolve("fisher-2")).exists();
  }
}
