package io.fisherstreams.demo;

import java.util.Collections;
import java.util.EnumMap;
import java.util.Map;

/**
 * A network's accuracy on all test sets.
 *
 * @param tasks accuracy on every task's test images, from 0 to 1
 * @param originals accuracy on MNIST's own test images, the base model's task
 */
public record Scores(Map<DigitTask, Double> tasks, double originals) {
  public Scores {
    tasks = Collections.unmodifiableMap(new EnumMap<>(tasks));
  }

  /** Accuracy on one task. */
  public double of(DigitTask task) {
    return tasks.get(task);
  }

  /** Mean accuracy over the tasks, without the original digits. */
  public double mean() {
    return tasks.values().stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }
}
