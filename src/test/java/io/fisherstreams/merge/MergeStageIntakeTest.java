package io.fisherstreams.merge;

import static io.fisherstreams.merge.MergeStageDriver.batch;
import static io.fisherstreams.merge.MergeStageDriver.floats;
import static io.fisherstreams.merge.MergeStageDriver.ints;
import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.record.Encoding;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.record.ModelProgress;
import io.fisherstreams.record.Parameter;
import java.math.BigDecimal;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

/** What arrives is counted once, whatever its encoding, and reported. */
class MergeStageIntakeTest extends MergeStageFixture {
  @Test
  void progressNamesWhatIsMissingAndThenTheExactSums() {
    stage.announce(model("a", 1).build());
    stage.checkpoint("a", 1, "w", 0, floats(1, 2, 3));
    stage.work();
    ModelProgress progress = stage.progress().last("a");
    assertThat(progress.getPresent()).isEqualTo(1);
    assertThat(progress.getShards()).isEqualTo(3);
    assertThat(progress.getMissing()).containsExactly("scale[0]", "void[0]");
    checkpoint("a", 1, 2, 1, 2, 3);
    stage.fisher("a", 1, "w", 0.1f, 0.25f, 3);
    stage.fisher("a", 1, "void");
    stage.work();
    progress = stage.progress().last("a");
    assertThat(progress.getPresent()).isEqualTo(3);
    assertThat(progress.getEpoch()).isZero();
    assertThat(progress.getSealed()).isEqualTo(2);
    assertThat(progress.getMissing()).containsExactly("scale[0]");
    stage.fisher("a", 1, "scale", 2);
    progress = stage.progress().last("a");
    assertThat(progress.getEpoch()).isEqualTo(1);
    assertThat(progress.getMissing()).isEmpty();
    // float64 sums of the float32 entries
    double tenth = 0.1f;
    assertThat(progress.getSums())
        .filteredOn(sums -> sums.getParameter().equals("w"))
        .singleElement()
        .satisfies(
            sums -> {
              assertThat(new BigDecimal(sums.getTotal()))
                  .isEqualByComparingTo(new BigDecimal(tenth + 0.25 + 3));
              assertThat(new BigDecimal(sums.getSquares()))
                  .isEqualByComparingTo(new BigDecimal(tenth * tenth + 0.0625 + 9));
            });
  }

  @Test
  void sendingEverythingAgainChangesNothing() {
    twoModels();
    stage.work();
    stage.progress();
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    stage.restart();
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    stage.work();
    assertThat(stage.progress().models()).isEmpty();
    assertThat(stage.reasons()).isEmpty();
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }

  private enum Way {
    PER_EXAMPLE,
    SQUARED_SUM,
    SPARSE,
    MEAN_SQUARE
  }

  /** Gradients of four examples, (2, 0, 1), (-4, 0, 3), (0, 0, 0.5), (2, 0, -1). */
  private void fourExamples(Way way) {
    switch (way) {
      case PER_EXAMPLE -> {
        stage.gradients(
            batch("a", 1, "w", "s", 0, 2, Encoding.PER_EXAMPLE, floats(2, 0, 1, -4, 0, 3)));
        stage.gradients(
            batch("a", 1, "w", "s", 1, 2, Encoding.PER_EXAMPLE, floats(0, 0, 0.5f, 2, 0, -1)));
      }
      case SQUARED_SUM ->
          stage.gradients(
              batch("a", 1, "w", "s", 0, 4, Encoding.SQUARED_SUM, floats(24, 0, 11.25f)));
      case SPARSE -> {
        for (int part = 0; part < 2; part++) {
          GradientBatch batch =
              batch(
                  "a",
                  1,
                  "w",
                  "s",
                  part,
                  2,
                  Encoding.SPARSE_SQUARED_SUM,
                  part == 0 ? floats(20, 10) : floats(4, 1.25f));
          batch.setIndices(ints(0, 2));
          stage.gradients(batch);
        }
      }
      case MEAN_SQUARE ->
          stage.gradients(
              batch("a", 1, "w", "s", 0, 4, Encoding.MEAN_SQUARE, floats(6, 0, 2.8125f)));
    }
  }

  @ParameterizedTest
  @EnumSource(Way.class)
  void everyEncodingGivesTheMeanOverTheExamples(Way way) {
    stage.announce(model("a", 1).setExamples(4).build());
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    stage.gradients(batch("a", 1, "scale", "s", 0, 4, Encoding.SQUARED_SUM, floats(2)));
    stage.gradients(batch("a", 1, "void", "s", 0, 4, Encoding.PER_EXAMPLE, floats()));
    fourExamples(way);
    assertThat(stage.reasons()).isEmpty();
    assertThat(new BigDecimal(total(stage.progress().last("a"), "w")))
        .isEqualByComparingTo("8.8125");
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    planTwo(1);
    stage.work();
    assertThat(stage.merged().get("1/w"))
        .containsExactly(merge(6, 1, 0.125, 5), merge(0, -1, 0, 7), merge(2.8125, 0.5, 9, -2));
  }

  @Test
  void theManifestUnderWhichAVersionBeganHoldsForAllOfIt() {
    stage.announce(model("a", 1).build());
    stage.checkpoint("a", 1, "w", 0, floats(1, -1, 0.5f));
    // the coordinator rejects it, but it is on the topic
    Parameter wider = new Parameter("scale", "F32", List.of(7L), true);
    stage.announce(stage.manifest("a", 1, wider, EMPTY, W).setExamples(3).build());
    stage.restart();
    checkpoint("a", 1, 2, 1, -1, 0.5f);
    fisher("a", 1, 0.5f, 1, 0, 3);
    assertThat(stage.reasons()).isEmpty();
    stage.announce(model("b", 1).build());
    checkpoint("b", 1, 4, 5, 7, -2);
    fisher("b", 1, 1.5f, 0.125f, 0, 9);
    planTwo(1);
    stage.work();
    assertMergesTwo(1);
  }
}
