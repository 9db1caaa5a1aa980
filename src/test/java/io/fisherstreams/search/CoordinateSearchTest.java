package io.fisherstreams.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.ToDoubleFunction;
import org.junit.jupiter.api.Test;

/** The search on objectives whose maximum is known. */
class CoordinateSearchTest {
  private static final List<Dimension> DIMENSIONS =
      List.of(
          new Dimension("scale", 1, 10, 1.5),
          new Dimension("prior", 0.3, 100, 3),
          new Dimension("a", 0.2, 10, 1.5),
          new Dimension("b", 0.2, 10, 1.5));

  private static final List<Double> START = List.of(1.0, 0.3, 0.2, 0.2);
  private static final List<Double> BEST = List.of(2.5, 0.05, 0.9, 0.07);

  /** Falls with the square of the distance from {@link #BEST}, on a logarithmic scale. */
  private static double hill(List<Double> point) {
    double sum = 0;
    for (int i = 0; i < point.size(); i++) {
      sum -= Math.pow(Math.log(point.get(i) / BEST.get(i)), 2);
    }
    return sum;
  }

  /** A narrow ridge: what is best for one dimension depends on the next. */
  private static double ridge(List<Double> point) {
    double sum = hill(point);
    for (int i = 1; i < point.size(); i++) {
      double here = Math.log(point.get(i) / BEST.get(i));
      double before = Math.log(point.get(i - 1) / BEST.get(i - 1));
      sum -= 0.8 * Math.pow(here - before, 2);
    }
    return sum;
  }

  private static List<List<Double>> points(
      ToDoubleFunction<List<Double>> objective, int most, long seed) {
    CoordinateSearch search =
        new CoordinateSearch(DIMENSIONS, 2, objective.applyAsDouble(START), seed);
    List<List<Double>> points = new ArrayList<>();
    Optional<List<Double>> next = search.next();
    while (next.isPresent() && points.size() < most) {
      points.add(next.get());
      search.tell(objective.applyAsDouble(next.get()));
      next = search.next();
    }
    return points;
  }

  private static List<Double> best(
      List<List<Double>> points, ToDoubleFunction<List<Double>> objective) {
    return points.stream()
        .reduce((a, b) -> objective.applyAsDouble(b) > objective.applyAsDouble(a) ? b : a)
        .orElseThrow();
  }

  @Test
  void findsTheTopOfAHillAndEnds() {
    List<List<Double>> points = points(CoordinateSearchTest::hill, 1000, 1);

    assertThat(points).hasSizeLessThan(150).doesNotHaveDuplicates().doesNotContain(START);
    List<Double> found = best(points, CoordinateSearchTest::hill);
    for (int i = 0; i < found.size(); i++) {
      assertThat(Math.log(found.get(i) / BEST.get(i))).isCloseTo(0, within(0.05));
    }
  }

  @Test
  void climbsARidge() {
    List<Double> found =
        best(points(CoordinateSearchTest::ridge, 1000, 1), CoordinateSearchTest::ridge);
    assertThat(ridge(found)).isGreaterThan(0.01 * ridge(START));
  }

  @Test
  void staysInReach() {
    List<List<Double>> points = points(point -> point.get(0), 1000, 1);
    assertThat(best(points, point -> point.get(0)).get(0)).isEqualTo(10);
    assertThat(points).allSatisfy(point -> assertThat(point.get(0)).isBetween(0.1, 10.0));
  }

  @Test
  void visitsTheFirstDimensionsFirstAndTheSeedOrdersTheOthers() {
    // Nothing is better than the start, so each dimension gets two points a round.
    List<List<Double>> points = points(point -> point.equals(START) ? 1 : 0, 8, 1);
    assertThat(points.subList(0, 2)).allSatisfy(point -> assertThat(point.get(0)).isNotEqualTo(1));
    assertThat(points.subList(2, 4))
        .allSatisfy(point -> assertThat(point.get(1)).isNotEqualTo(0.3));
    assertThat(points(CoordinateSearchTest::hill, 1000, 7))
        .isEqualTo(points(CoordinateSearchTest::hill, 1000, 7));
    List<List<List<Double>>> ofSeeds = new ArrayList<>();
    for (long seed = 0; seed < 10; seed++) {
      ofSeeds.add(points(CoordinateSearchTest::hill, 1000, seed));
    }
    assertThat(ofSeeds.stream().distinct().count()).isGreaterThan(1);
  }

  @Test
  void aFailedPointIsNeverTheBest() {
    List<List<Double>> points =
        points(point -> point.get(0) > 1.2 ? Double.NEGATIVE_INFINITY : hill(point), 1000, 1);
    assertThat(best(points, point -> point.get(0) > 1.2 ? -1e9 : hill(point)).get(0))
        .isBetween(1.1, 1.2);
  }
}
