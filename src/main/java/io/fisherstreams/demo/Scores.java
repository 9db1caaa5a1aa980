package io.fisherstreams.demo;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * How well one network reads.
 *
 * @param tasks accuracy on every task's test images, from 0 to 1
 * @param originals accuracy on MNIST's own test images, which the base model was trained for
 */
public record Scores(Map<DigitTask, Double> tasks, double originals) {
  public Scores {
    tasks = Collections.unmodifiableMap(new EnumMap<>(tasks));
  }

  /** Accuracy on one task. */
  public double of(DigitTask task) {
    return tasks.get(task);
  }

  /** Mean accuracy over the tasks; the original digits are no task. */
  public double mean() {
    return tasks.values().stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }
}
