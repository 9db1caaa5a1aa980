package io.fisherstreams.tuning;

import io.fisherstreams.fisher.MergeFormula;
import java.util.Collections;
import java.util.Map;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * What a merge of given models is made with.
 *
 * @param coefficients λ of every model
 */
public record Settings(MergeFormula formula, SortedMap<String, Double> coefficients) {
  /** Copies the map. */
  public Settings {
    coefficients = Collections.unmodifiableSortedMap(new TreeMap<>(coefficients));
  }

  /** Settings from a map in any order. */
  public static Settings of(MergeFormula formula, Map<String, Double> coefficients) {
    return new Settings(formula, new TreeMap<>(coefficients));
  }
}
