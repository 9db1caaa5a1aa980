package io.fisherstreams.tuning;

import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.MergeFormula;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a merge of given models is made with.
 *
 * @param coefficients λ of every model; {@link Coefficients#own} is empty where every merged
 *     parameter belongs to a group
 */
public record Settings(MergeFormula formula, SortedMap<String, Coefficients> coefficients) {
  /** Copies the map. */
  public Settings {
    coefficients = Collections.unmodifiableSortedMap(new TreeMap<>(coefficients));
  }

  /** Settings from a map in any order. */
  public static Settings of(MergeFormula formula, Map<String, Coefficients> coefficients) {
    return new Settings(formula, new TreeMap<>(coefficients));
  }

  /** Every λ, by the model's name or, for one group, {@code MODEL in GROUP}. */
  Map<String, Double> named() {
    Map<String, Double> named = new LinkedHashMap<>();
    coefficients.forEach(
        (model, given) -> {
          given.own().ifPresent(own -> named.put(model, own));
          given.ofGroups().forEach((group, value) -> named.put(model + " in " + group, value));
        });
    return Collections.unmodifiableMap(named);
  }
}
