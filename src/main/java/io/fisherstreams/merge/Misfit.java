package io.fisherstreams.merge;

import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.Shard;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;

/**
 * An element that the type of a release cannot hold.
 *
 * @param element its index in the shard
 * @param value before it is rounded to the type; NaN or infinite when the arithmetic overflowed
 */
public record Misfit(int element, double value) {
  /**
   * Why there is no release.
   *
   * @param shard the one with the element
   * @param dtype the type of the result
   * @param models those that are merged
   */
  public String text(Shard shard, DType dtype, List<PlannedModel> models) {
    String what =
        String.format(
            Locale.ROOT,
            "parameter %s: element %d is %s",
            shard.tensor().name(),
            shard.firstElement() + element,
            value);
    if (Double.isFinite(value)) {
      return what + ", which %s cannot hold; choose a wider output dtype".formatted(dtype);
    }
    PlannedModel heaviest =
        models.stream().max(Comparator.comparing(PlannedModel::getWeight)).orElseThrow();
    return what
        + ": its weighted sum is beyond float64; the largest weight is %s of model %s"
            .formatted(heaviest.getWeight(), heaviest.getModel());
  }
}
