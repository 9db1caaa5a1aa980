package io.fisherstreams.demo;

import java.time.Duration;
import java.util.SortedMap;

/**
 * One change of the pool and the release that it made.
 *
 * @param model the model that arrived or was withdrawn
 * @param arrived false when it was withdrawn
 * @param release the release's id
 * @param shares each merged model's part of the sum of all weights, by model
 * @param fisher the release's scores
 * @param average the scores of the plain average of the same models
 * @param waited from the start of the change, which for an arrival includes the estimate of its
 *     Fisher, until the complete release was read
 */
public record PoolChange(
    DigitTask model,
    boolean arrived,
    long release,
    SortedMap<String, Double> shares,
    Scores fisher,
    Scores average,
    Duration waited) {

  /** The change in as few characters as an axis has room for. */
  String event() {
    return (arrived ? "+ " : "− ") + model.model();
  }

  /** Whether this task's model is in the pool after the change. */
  public boolean holds(DigitTask task) {
    return shares.containsKey(task.model());
  }
}
