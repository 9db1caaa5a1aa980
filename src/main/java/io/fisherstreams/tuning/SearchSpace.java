package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.search.Dimension;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The settings that a search changes. First come those of the whole merge: {@code scale}, the
 * method's constant, and a factor of all λ where the method does not divide by their sum. Then
 * comes λ of each model. A setting that is 0 at the start stays 0, and λ keeps its sign.
 */
final class SearchSpace {
  private static final String ALL = "all coefficients";

  private final Settings start;
  private final List<Dimension> dimensions = new ArrayList<>();
  private final int ofWhole;

  /**
   * The space around a start.
   *
   * @param searched the kinds to change; empty for all that the method has
   * @throws InvalidInput when the method does not have one of them, or nothing is left to change
   */
  SearchSpace(Settings start, Set<Searched> searched) {
    this.start = start;
    MergeFormula formula = start.formula();
    Set<Searched> available = available(formula);
    for (Searched kind : searched) {
      if (!available.contains(kind)) {
        throw new InvalidInput(missing(kind, formula));
      }
    }
    Set<Searched> kinds = searched.isEmpty() ? available : searched;
    if (kinds.contains(Searched.SCALE)) {
      add(Searched.SCALE.text(), formula.scale(), 4, 1.3);
    }
    if (kinds.contains(Searched.PRIOR)) {
      add(Searched.PRIOR.text(), formula.constant(), 100, 3);
    }
    if (kinds.contains(Searched.RELATIVE_FISHER_WEIGHT)) {
      add(Searched.RELATIVE_FISHER_WEIGHT.text(), formula.constant(), 1000, 5);
    }
    boolean hasCoefficients = kinds.contains(Searched.COEFFICIENT);
    if (hasCoefficients && formula instanceof GradientMatching) {
      add(ALL, 1, 4, 1.5);
    }
    ofWhole = dimensions.size();
    if (hasCoefficients && start.coefficients().size() > 1) {
      start.coefficients().forEach((model, value) -> add(model, Math.abs(value), 8, 1.6));
    }
    if (dimensions.isEmpty()) {
      throw new InvalidInput(
          "nothing to search: of %s, the method %s has only settings that are 0 or that change nothing"
              .formatted(kinds.stream().map(Searched::text).toList(), formula.name()));
    }
  }

  private static Set<Searched> available(MergeFormula formula) {
    Set<Searched> kinds = EnumSet.of(Searched.COEFFICIENT, Searched.SCALE);
    if (formula instanceof GradientMatching) {
      kinds.add(Searched.PRIOR);
    } else if (formula instanceof FisherAverage average
        && average.unit() == FisherAverage.Unit.MEAN) {
      kinds.add(Searched.RELATIVE_FISHER_WEIGHT);
    }
    return kinds;
  }

  private static String missing(Searched kind, MergeFormula formula) {
    return kind == Searched.RELATIVE_FISHER_WEIGHT && formula instanceof FisherAverage
        ? "relative_fisher_weight cannot be searched: the merge has minimal_fisher_weight; set relative_fisher_weight: 1e-3 in its place, as the start"
        : "%s cannot be searched: %s does not have it".formatted(kind.text(), formula.name());
  }

  private void add(String name, double value, double reach, double step) {
    if (value != 0) {
      dimensions.add(new Dimension(name, value, reach, step));
    }
  }

  List<Dimension> dimensions() {
    return dimensions;
  }

  /** How many dimensions, the first ones, are of the whole merge and not of one model. */
  int ofWhole() {
    return ofWhole;
  }

  /**
   * The settings that a point stands for.
   *
   * @param point a value for each dimension
   */
  Settings settings(List<Double> point) {
    Map<String, Double> values = new TreeMap<>();
    for (int i = 0; i < point.size(); i++) {
      // A model may be called as a setting is.
      values.put((i < ofWhole ? "whole " : "model ") + dimensions.get(i).name(), point.get(i));
    }
    double common = values.getOrDefault("whole " + ALL, 1.0);
    SortedMap<String, Double> coefficients = new TreeMap<>();
    start
        .coefficients()
        .forEach(
            (model, before) -> {
              double own = values.getOrDefault("model " + model, Math.abs(before));
              double product = common == 1 ? own : Dimension.rounded(own * common);
              coefficients.put(model, Math.copySign(product, before));
            });
    return new Settings(formula(values), coefficients);
  }

  private MergeFormula formula(Map<String, Double> values) {
    MergeFormula formula = start.formula();
    double scale = values.getOrDefault("whole " + Searched.SCALE.text(), formula.scale());
    if (formula instanceof TaskArithmetic) {
      return new TaskArithmetic(scale);
    }
    if (formula instanceof GradientMatching) {
      return new GradientMatching(
          scale, values.getOrDefault("whole " + Searched.PRIOR.text(), formula.constant()));
    }
    FisherAverage average = (FisherAverage) formula;
    return new FisherAverage(
        scale,
        average.exponent(),
        average.unit(),
        values.getOrDefault("whole " + Searched.RELATIVE_FISHER_WEIGHT.text(), average.constant()));
  }
}
