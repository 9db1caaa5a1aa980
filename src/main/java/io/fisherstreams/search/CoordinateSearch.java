package io.fisherstreams.search;

import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Random;

/**
 * Changes one dimension at a time. It multiplies the best point's value by a step, then divides by
 * it, and goes on in a direction while that is better. When both directions are worse, the
 * dimension's step becomes its square root. The search ends when all steps are small. Every round
 * visits all dimensions: the first ones in their order, the others in an order that the seed gives.
 */
public final class CoordinateSearch implements SearchStrategy {
  private static final double SMALLEST_STEP = 1.02;

  private final List<Dimension> dimensions;
  private final int inOrder;
  private final Random random;
  private final double[] steps;
  private final Map<List<Double>, Double> told = new HashMap<>();
  private final List<Integer> round = new ArrayList<>();
  private List<Double> best;
  private double bestValue;
  private List<Double> asked = List.of();
  private boolean isUp = true;
  private boolean hasImproved;

  /**
   * A search from the dimensions' starts.
   *
   * @param dimensions at least one
   * @param inOrder how many of them every round visits first, in their order
   * @param startValue the value of the start
   * @param seed the same seed gives the same points for the same values
   */
  public CoordinateSearch(List<Dimension> dimensions, int inOrder, double startValue, long seed) {
    this.dimensions = List.copyOf(dimensions);
    this.inOrder = inOrder;
    this.random = new Random(seed);
    this.steps = dimensions.stream().mapToDouble(Dimension::step).toArray();
    this.best = dimensions.stream().map(Dimension::start).toList();
    this.bestValue = startValue;
    told.put(best, startValue);
  }

  @Override
  public Optional<List<Double>> next() {
    while (true) {
      if (round.isEmpty() && !begin()) {
        return Optional.empty();
      }
      int at = round.get(0);
      asked = moved(at, isUp ? steps[at] : 1 / steps[at]);
      if (!told.containsKey(asked)) {
        return Optional.of(asked);
      }
      took(told.get(asked));
    }
  }

  @Override
  public void tell(double value) {
    told.put(asked, value);
    took(value);
  }

  private void took(double value) {
    if (value > bestValue) {
      best = asked;
      bestValue = value;
      hasImproved = true;
    } else if (isUp && !hasImproved) {
      isUp = false;
    } else {
      int at = round.remove(0);
      if (!hasImproved) {
        steps[at] = Math.sqrt(steps[at]);
      }
      isUp = true;
      hasImproved = false;
    }
  }

  /** Begins a round over the dimensions whose steps are not small; false when there is none. */
  private boolean begin() {
    List<Integer> others = new ArrayList<>();
    for (int i = 0; i < steps.length; i++) {
      if (steps[i] >= SMALLEST_STEP) {
        (i < inOrder ? round : others).add(i);
      }
    }
    Collections.shuffle(others, random);
    round.addAll(others);
    return !round.isEmpty();
  }

  private List<Double> moved(int at, double factor) {
    List<Double> point = new ArrayList<>(best);
    point.set(at, dimensions.get(at).allowed(best.get(at) * factor));
    return Collections.unmodifiableList(point);
  }
}
