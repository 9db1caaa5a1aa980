package io.fisherstreams.tuning;

import io.fisherstreams.search.CoordinateSearch;
import io.fisherstreams.search.Measure;
import io.fisherstreams.search.RandomSearch;
import io.fisherstreams.search.SearchStrategy;
import java.time.Duration;
import java.util.Optional;
import java.util.Set;

/**
 * How settings are searched.
 *
 * @param searched the kinds of settings that are changed; empty for all that the method has
 * @param trials how many trials there are at most, besides the start
 * @param time after which no trial begins; empty for no limit
 * @param heldOut the part of the examples that is only reported on, above 0 and below 1
 * @param seed of the split and of the search
 * @param batchSize examples that go through a model together
 */
public record TuningOptions(
    Measure measure,
    Strategy strategy,
    Set<Searched> searched,
    int trials,
    Optional<Duration> time,
    double heldOut,
    long seed,
    int batchSize) {

  /** The ways of searching. */
  public enum Strategy {
    COORDINATE,
    RANDOM
  }

  /** Copies the set. */
  public TuningOptions {
    searched = Set.copyOf(searched);
  }

  SearchStrategy search(SearchSpace space, double startValue) {
    return switch (strategy) {
      case COORDINATE ->
          new CoordinateSearch(space.dimensions(), space.ofWhole(), startValue, seed);
      case RANDOM -> new RandomSearch(space.dimensions(), seed);
    };
  }
}
