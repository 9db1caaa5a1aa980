package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.gradient.EstimatedModel;
import java.util.List;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class BatchSelectionTest {
  private static final EstimatedModel MODEL = Pending.model("m", "fusion_bench", 3, 7);

  private static List<PendingExample> examples(long... indexes) {
    return LongStream.of(indexes)
        .mapToObj(index -> Pending.example(MODEL, 0, index, index))
        .toList();
  }

  private static List<List<Long>> neighbours(long max, Set<Long> done, long... indexes) {
    TreeMap<Long, PendingExample> byIndex = new TreeMap<>();
    examples(indexes).forEach(example -> byIndex.put(example.index(), example));
    return indexes(BatchSelection.ofNeighbours(MODEL, byIndex, max, done::contains));
  }

  private static List<List<Long>> indexes(List<List<PendingExample>> batches) {
    return batches.stream()
        .map(batch -> batch.stream().map(PendingExample::index).toList())
        .toList();
  }

  @Test
  void batchesAreFullUnlessTheRestIsWanted() {
    List<PendingExample> five = examples(9, 4, 6, 2, 8);
    assertThat(indexes(BatchSelection.inOrder(five, 2, 100, false)))
        .containsExactly(List.of(9L, 4L), List.of(6L, 2L));
    assertThat(indexes(BatchSelection.inOrder(five, 2, 100, true)))
        .containsExactly(List.of(9L, 4L), List.of(6L, 2L), List.of(8L));
    assertThat(BatchSelection.inOrder(List.of(), 2, 100, true)).isEmpty();
  }

  @Test
  void noBatchBeginsBehindTheBound() {
    List<PendingExample> five = examples(0, 1, 2, 3, 4);
    assertThat(BatchSelection.inOrder(five, 2, 2, true)).hasSize(1);
    assertThat(BatchSelection.inOrder(five, 2, 3, true)).as("up to a batch more").hasSize(2);
    assertThat(BatchSelection.inOrder(five, 2, 0, true)).isEmpty();
  }

  @Test
  void aBatchOfNeighboursIsTakenWhenNoneIsMissing() {
    assertThat(neighbours(100, Set.of(), 0, 1, 2, 3, 5)).containsExactly(List.of(0L, 1L, 2L));
    assertThat(neighbours(100, Set.of(4L), 3, 5)).containsExactly(List.of(3L, 5L));
    assertThat(neighbours(100, Set.of(), 1, 2)).isEmpty();
  }

  @Test
  void theLastWantedBatchOfNeighboursIsShorterAndRefinementBeginsAnew() {
    assertThat(neighbours(100, Set.of(), 6)).containsExactly(List.of(6L));
    assertThat(neighbours(100, Set.of(), 6, 7, 8, 9, 10))
        .containsExactly(List.of(6L), List.of(7L, 8L, 9L));
  }

  @Test
  void neighboursStopAtTheBoundToo() {
    assertThat(neighbours(3, Set.of(), 0, 1, 2, 3, 4, 5)).containsExactly(List.of(0L, 1L, 2L));
    assertThat(neighbours(4, Set.of(), 0, 1, 2, 3, 4, 5)).hasSize(2);
  }
}
