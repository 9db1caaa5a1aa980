package io.fisherstreams.bench;

import io.fisherstreams.metrics.Meter;
import java.util.List;
import java.util.function.DoubleSupplier;
import java.util.function.ToDoubleFunction;

/**
 * What one change costs.
 *
 * @param seconds from its last record to the release
 * @param payloads bytes that were read of local payloads
 * @param sums bytes that were read of kept sums
 * @param topics bytes of payloads that were read back from their topics
 */
record GrowthCost(double seconds, double payloads, double sums, double topics) {
  /** Measures a change that is made now, in the only pool of this process that has work. */
  static GrowthCost of(DoubleSupplier change) {
    double payloads = Meter.PAYLOADS_READ.counter().count();
    double sums = Meter.SUMS_READ.counter().count();
    double topics = Meter.RESTORED_BYTES.counter().count();
    double seconds = change.getAsDouble();
    return new GrowthCost(
        seconds,
        Meter.PAYLOADS_READ.counter().count() - payloads,
        Meter.SUMS_READ.counter().count() - sums,
        Meter.RESTORED_BYTES.counter().count() - topics);
  }

  /** The median of each part. */
  static GrowthCost median(List<GrowthCost> costs) {
    return new GrowthCost(
        median(costs, GrowthCost::seconds),
        median(costs, GrowthCost::payloads),
        median(costs, GrowthCost::sums),
        median(costs, GrowthCost::topics));
  }

  private static double median(List<GrowthCost> costs, ToDoubleFunction<GrowthCost> part) {
    return Median.of(costs.stream().mapToDouble(part).toArray());
  }
}
