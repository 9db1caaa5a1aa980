package io.fisherstreams.demo;

import java.util.Collections;
import java.util.SortedMap;
import java.util.TreeMap;

/**
 * A complete release of a pool.
 *
 * @param id the release's id
 * @param parameters the merged parameters, of the base model's names and shapes
 * @param shares each merged model's part of the sum of all weights, from 0 to 1, by model
 */
public record MergedRelease(long id, DigitParameters parameters, SortedMap<String, Double> shares) {
  public MergedRelease {
    shares = Collections.unmodifiableSortedMap(new TreeMap<>(shares));
  }
}
