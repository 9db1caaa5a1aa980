package io.fisherstreams.search;

import java.util.List;
import java.util.Optional;
import java.util.SplittableRandom;

/** Draws every dimension within two of its steps from the start, evenly on a logarithmic scale. */
public final class RandomSearch implements SearchStrategy {
  /** With many dimensions, most points of a wider space are far from any good one. */
  private static final double STEPS = 2;

  private final List<Dimension> dimensions;
  private final SplittableRandom random;

  /**
   * A search that never ends by itself.
   *
   * @param dimensions at least one
   * @param seed the same seed gives the same points
   */
  public RandomSearch(List<Dimension> dimensions, long seed) {
    this.dimensions = List.copyOf(dimensions);
    this.random = new SplittableRandom(seed);
  }

  @Override
  public Optional<List<Double>> next() {
    return Optional.of(dimensions.stream().map(this::draw).toList());
  }

  private double draw(Dimension dimension) {
    double exponent = 2 * random.nextDouble() - 1;
    // StrictMath gives the same bits on every machine, and with them the same trials.
    return dimension.allowed(
        dimension.start() * StrictMath.pow(dimension.step(), STEPS * exponent));
  }

  @Override
  public void tell(double value) {}
}
