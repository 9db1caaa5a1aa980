package io.fisherstreams.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.common.collect.Maps;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.search.Dimension;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class SearchSpaceTest {
  private static final Map<String, Double> COEFFICIENTS = Map.of("a", 0.5, "b", 0.25);
  private static final MergeFormula RELATIVE = new FisherAverage(1.2, 0.5, Unit.MEAN, 1e-3);

  private static SearchSpace space(
      MergeFormula formula, Map<String, Double> coefficients, Searched... searched) {
    return new SearchSpace(settings(formula, coefficients), Set.of(searched));
  }

  private static Settings settings(MergeFormula formula, Map<String, Double> coefficients) {
    return Settings.of(formula, Maps.transformValues(coefficients, Coefficients::of));
  }

  private static List<String> names(SearchSpace space) {
    return space.dimensions().stream().map(Dimension::name).toList();
  }

  @Test
  void everyMethodHasItsSettings() {
    assertThat(names(space(new GradientMatching(1, 0.3), COEFFICIENTS)))
        .containsExactly("scale", "prior", "all coefficients", "a", "b");
    assertThat(names(space(RELATIVE, COEFFICIENTS)))
        .containsExactly("scale", "relative_fisher_weight", "a", "b");
    assertThat(names(space(FisherAverage.of(1e-6, true), COEFFICIENTS)))
        .containsExactly("scale", "a", "b");
    assertThat(names(space(new TaskArithmetic(0.3), COEFFICIENTS)))
        .containsExactly("scale", "a", "b");
    assertThat(names(space(RELATIVE, COEFFICIENTS, Searched.SCALE))).containsExactly("scale");
    assertThat(space(new GradientMatching(1, 0.3), COEFFICIENTS).ofWhole()).isEqualTo(3);
  }

  @Test
  void aPointStandsForSettings() {
    SearchSpace matching = space(new GradientMatching(1, 0.3), COEFFICIENTS);
    assertThat(matching.settings(List.of(1.5, 0.1, 2.0, 0.5, 0.125)))
        .isEqualTo(settings(new GradientMatching(1.5, 0.1), Map.of("a", 1.0, "b", 0.25)));
    assertThat(space(RELATIVE, COEFFICIENTS).settings(List.of(1.5, 0.1, 0.7, 0.8)))
        .isEqualTo(
            settings(new FisherAverage(1.5, 0.5, Unit.MEAN, 0.1), Map.of("a", 0.7, "b", 0.8)));
    assertThat(space(FisherAverage.of(1e-4, false), COEFFICIENTS).settings(List.of(2.0, 0.7, 0.8)))
        .isEqualTo(settings(new FisherAverage(2, 1, Unit.ONE, 1e-4), Map.of("a", 0.7, "b", 0.8)));
  }

  @Test
  void theStartIsThePointOfAllStarts() {
    for (MergeFormula formula :
        List.of(new GradientMatching(1, 0.3), RELATIVE, new TaskArithmetic(0.3))) {
      SearchSpace space = space(formula, Map.of("a", 1.0 / 3, "b", 0.1234567));
      assertThat(space.settings(space.dimensions().stream().map(Dimension::start).toList()))
          .isEqualTo(settings(formula, Map.of("a", 1.0 / 3, "b", 0.1234567)));
    }
  }

  @Test
  void aCoefficientKeepsItsSignAndZeroStaysZero() {
    SearchSpace space = space(new TaskArithmetic(0.3), Map.of("a", -0.5, "b", 0.0, "c", 1.0));
    assertThat(names(space)).containsExactly("scale", "a", "c");
    assertThat(space.settings(List.of(0.3, 0.8, 2.0)).coefficients())
        .isEqualTo(
            Map.of("a", Coefficients.of(-0.8), "b", Coefficients.of(0), "c", Coefficients.of(2)));
  }

  @Test
  void aModelMayBeCalledAsASettingIs() {
    SearchSpace space = space(new TaskArithmetic(0.3), Map.of("scale", 0.5, "b", 1.0));
    assertThat(space.settings(List.of(0.1, 2.0, 3.0)))
        .isEqualTo(settings(new TaskArithmetic(0.1), Map.of("b", 2.0, "scale", 3.0)));
  }

  @Test
  void whatAMethodDoesNotHaveIsRejected() {
    assertThatThrownBy(() -> space(new TaskArithmetic(0.3), COEFFICIENTS, Searched.PRIOR))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("prior cannot be searched: task_arithmetic does not have it");
    assertThatThrownBy(
            () ->
                space(FisherAverage.of(1e-6, true), COEFFICIENTS, Searched.RELATIVE_FISHER_WEIGHT))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("set relative_fisher_weight: 1e-3 in its place");
    assertThatThrownBy(() -> space(new TaskArithmetic(0), Map.of("a", 1.0), Searched.SCALE))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("nothing to search");
    assertThatThrownBy(() -> space(new TaskArithmetic(1), Map.of("a", 1.0), Searched.COEFFICIENT))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("nothing to search");
  }

  @Test
  void everyGroupOfEveryModelIsSearched() {
    Settings start =
        Settings.of(
            new TaskArithmetic(0.3),
            Map.of(
                "a", grouped(OptionalDouble.of(1), Map.of("early", -0.5, "late", 0.0)),
                "b", grouped(OptionalDouble.empty(), Map.of("early", 2.0, "late", 4.0))));
    SearchSpace space = new SearchSpace(start, Set.of());
    assertThat(names(space)).containsExactly("scale", "a", "a in early", "b in early", "b in late");
    assertThat(space.settings(List.of(0.3, 10.0, 11.0, 12.0, 13.0)))
        .isEqualTo(
            Settings.of(
                new TaskArithmetic(0.3),
                Map.of(
                    "a", grouped(OptionalDouble.of(10), Map.of("early", -11.0, "late", 0.0)),
                    "b", grouped(OptionalDouble.empty(), Map.of("early", 12.0, "late", 13.0)))));
  }

  private static Coefficients grouped(OptionalDouble own, Map<String, Double> ofGroups) {
    return new Coefficients(own, new TreeMap<>(ofGroups));
  }
}
