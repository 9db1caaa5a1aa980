package io.fisherstreams.search;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import java.util.List;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

class RandomSearchTest {
  private static final List<Dimension> DIMENSIONS =
      List.of(new Dimension("scale", 2, 10, 1.5), new Dimension("prior", 0.3, 1000, 3));

  private static List<List<Double>> points(long seed) {
    RandomSearch search = new RandomSearch(DIMENSIONS, seed);
    return Stream.generate(() -> search.next().orElseThrow()).limit(4000).toList();
  }

  @Test
  void drawsEvenlyOnALogarithmicScale() {
    List<List<Double>> points = points(1);
    for (int i = 0; i < DIMENSIONS.size(); i++) {
      int at = i;
      Dimension dimension = DIMENSIONS.get(i);
      double span = 2 * Math.log(dimension.step());
      List<Double> parts =
          points.stream().map(point -> Math.log(point.get(at) / dimension.start()) / span).toList();
      assertThat(parts).allSatisfy(part -> assertThat(part).isBetween(-1.001, 1.001));
      // An even distribution over (−1, 1) has mean 0 and mean square 1/3.
      assertThat(parts.stream().mapToDouble(p -> p).average().orElseThrow())
          .isCloseTo(0, within(4 * Math.sqrt(1.0 / 3 / parts.size())));
      assertThat(parts.stream().mapToDouble(p -> p * p).average().orElseThrow())
          .isCloseTo(1.0 / 3, within(4 * Math.sqrt(4.0 / 45 / parts.size())));
    }
  }

  @Test
  void theSeedGivesThePoints() {
    assertThat(points(1)).isEqualTo(points(1)).isNotEqualTo(points(2));
  }

  @Test
  void valuesHaveFourDigits() {
    assertThat(points(3))
        .allSatisfy(
            point ->
                assertThat(point)
                    .allSatisfy(value -> assertThat(Dimension.rounded(value)).isEqualTo(value)));
  }
}
