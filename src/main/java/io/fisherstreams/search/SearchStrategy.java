package io.fisherstreams.search;

import java.util.List;
import java.util.Optional;

/** Chooses the points of a search one after another. Larger values are better. */
public interface SearchStrategy {
  /**
   * The next point to measure; empty when the strategy expects nothing better any more. The first
   * one is never the start.
   */
  Optional<List<Double>> next();

  /**
   * Says how good the point was that {@link #next} returned last.
   *
   * @param value not NaN; negative infinity for a point that cannot be used
   */
  void tell(double value);
}
