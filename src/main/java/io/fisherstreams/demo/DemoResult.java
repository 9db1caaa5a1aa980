package io.fisherstreams.demo;

import java.time.Duration;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * What the demo found.
 *
 * @param baseModel the base model's parameters
 * @param models the fine-tuned models, in the order of their arrival
 * @param seed of all random draws
 * @param examples examples behind each model's Fisher
 * @param base the base model's scores
 * @param alone every fine-tuned model's accuracy on its own task
 * @param changes the pool's changes, in order; the last is the withdrawal
 * @param withdrawalExact whether the last release equals, bit for bit, that of a pool in which the
 *     withdrawn model never was
 * @param merged the last release's parameters
 * @param took the whole run
 */
public record DemoResult(
    Parameters baseModel,
    List<FineTunedModel> models,
    long seed,
    int examples,
    Scores base,
    Map<DigitTask, Double> alone,
    List<PoolChange> changes,
    boolean withdrawalExact,
    Parameters merged,
    Duration took) {
  public DemoResult {
    alone = Collections.unmodifiableMap(new EnumMap<>(alone));
    models = List.copyOf(models);
    changes = List.copyOf(changes);
  }

  /** The change after which all models were in the pool. */
  public PoolChange full() {
    return changes.get(changes.size() - 2);
  }

  /** The withdrawal. */
  public PoolChange last() {
    return changes.get(changes.size() - 1);
  }

  /** The mean, over the tasks, of each model's accuracy on its own. */
  public double aloneMean() {
    return alone.values().stream().mapToDouble(Double::doubleValue).average().orElseThrow();
  }
}
