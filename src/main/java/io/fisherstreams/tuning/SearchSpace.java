package io.fisherstreams.tuning;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.search.Dimension;
import java.util.ArrayList;
import java.util.EnumSet;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalDouble;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * The settings that a search changes. First come those of the whole merge: {@code scale}, the
 * method's constant, and a factor of all λ where the method does not divide by their sum. Then
 * comes λ of each model, in each group of parameters. A setting that is 0 at the start stays 0, and
 * λ keeps its sign.
 */
final class SearchSpace {
  private static final String ALL = "all coefficients";

  private final Settings start;
  private final List<Dimension> dimensions = new ArrayList<>();
  private final int ofWhole;
  private final List<Place> places = new ArrayList<>();

  /**
   * Where a λ belongs.
   *
   * @param group empty for the parameters outside the groups
   */
  private record Place(String model, Optional<String> group) {}

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
      start
          .coefficients()
          .forEach(
              (model, given) -> {
                given.own().ifPresent(own -> add(new Place(model, Optional.empty()), model, own));
                given
                    .ofGroups()
                    .forEach(
                        (group, own) ->
                            add(new Place(model, Optional.of(group)), model + " in " + group, own));
              });
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

  private void add(Place place, String name, double value) {
    int before = dimensions.size();
    add(name, Math.abs(value), 8, 1.6);
    if (dimensions.size() > before) {
      places.add(place);
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
    Map<String, Double> ofMerge = new TreeMap<>();
    Map<Place, Double> ofModels = new HashMap<>();
    for (int i = 0; i < point.size(); i++) {
      if (i < ofWhole) {
        ofMerge.put(dimensions.get(i).name(), point.get(i));
      } else {
        ofModels.put(places.get(i - ofWhole), point.get(i));
      }
    }
    double common = ofMerge.getOrDefault(ALL, 1.0);
    SortedMap<String, Coefficients> coefficients = new TreeMap<>();
    start
        .coefficients()
        .forEach(
            (model, given) -> {
              OptionalDouble own =
                  given.own().isEmpty()
                      ? given.own()
                      : OptionalDouble.of(
                          coefficient(
                              ofModels.get(new Place(model, Optional.empty())),
                              given.own().getAsDouble(),
                              common));
              SortedMap<String, Double> ofGroups = new TreeMap<>();
              given
                  .ofGroups()
                  .forEach(
                      (group, before) ->
                          ofGroups.put(
                              group,
                              coefficient(
                                  ofModels.get(new Place(model, Optional.of(group))),
                                  before,
                                  common)));
              coefficients.put(model, new Coefficients(own, ofGroups));
            });
    return new Settings(formula(ofMerge), coefficients);
  }

  /**
   * λ of a point.
   *
   * @param value its absolute value; null where it is not searched
   * @param before λ at the start
   * @param common the factor of all λ
   */
  private static double coefficient(Double value, double before, double common) {
    double own = value == null ? Math.abs(before) : value;
    return Math.copySign(common == 1 ? own : Dimension.rounded(own * common), before);
  }

  private MergeFormula formula(Map<String, Double> values) {
    MergeFormula formula = start.formula();
    double scale = values.getOrDefault(Searched.SCALE.text(), formula.scale());
    if (formula instanceof TaskArithmetic) {
      return new TaskArithmetic(scale);
    }
    if (formula instanceof GradientMatching) {
      return new GradientMatching(
          scale, values.getOrDefault(Searched.PRIOR.text(), formula.constant()));
    }
    FisherAverage average = (FisherAverage) formula;
    return new FisherAverage(
        scale,
        average.exponent(),
        average.unit(),
        values.getOrDefault(Searched.RELATIVE_FISHER_WEIGHT.text(), average.constant()));
  }
}
