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
 * @param waited from handing the change in to having read the complete release
 */
public record PoolChange(
    DigitTask model,
    boolean arrived,
    long release,
    SortedMap<String, Double> shares,
    Scores fisher,
    Scores average,
    Duration waited) {

  /** Whether this task's model is in the pool after the change. */
  public boolean holds(DigitTask task) {
    return shares.containsKey(task.model());
  }
}
