package io.fisherstreams.estimation;

import io.fisherstreams.gradient.EstimatedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.LongPredicate;

/** Forms batches of one model's examples. Pure. */
final class BatchSelection {
  private BatchSelection() {}

  /**
   * Full batches of examples in the order given.
   *
   * @param max no batch begins behind so many examples
   * @param withRest whether a shorter last batch is formed of what is left
   */
  static List<List<PendingExample>> inOrder(
      List<PendingExample> examples, int batchSize, long max, boolean withRest) {
    List<List<PendingExample>> batches = new ArrayList<>();
    for (int from = 0; from < examples.size() && from < max; from += batchSize) {
      int to = Math.min(examples.size(), from + batchSize);
      if (withRest || to - from == batchSize) {
        batches.add(examples.subList(from, to));
      }
    }
    return batches;
  }

  /**
   * The batches of neighbours that are complete, for an estimator whose result depends on them.
   *
   * @param examples by index
   * @param max no batch is added to so many examples
   * @param isDone whether an example is not needed because it is claimed or counted already
   */
  static List<List<PendingExample>> ofNeighbours(
      EstimatedModel model,
      SortedMap<Long, PendingExample> examples,
      long max,
      LongPredicate isDone) {
    Map<Long, List<PendingExample>> byBatch = new TreeMap<>();
    examples.forEach(
        (index, example) ->
            byBatch
                .computeIfAbsent(model.batch(index).first(), first -> new ArrayList<>())
                .add(example));
    List<List<PendingExample>> batches = new ArrayList<>();
    long count = 0;
    for (Map.Entry<Long, List<PendingExample>> batch : byBatch.entrySet()) {
      if (count < max && isComplete(model.batch(batch.getKey()), examples, isDone)) {
        batches.add(batch.getValue());
        count += batch.getValue().size();
      }
    }
    return batches;
  }

  private static boolean isComplete(
      EstimatedModel.Batch batch, SortedMap<Long, PendingExample> examples, LongPredicate isDone) {
    for (long index = batch.first(); index < batch.end(); index++) {
      if (!examples.containsKey(index) && !isDone.test(index)) {
        return false;
      }
    }
    return true;
  }
}
