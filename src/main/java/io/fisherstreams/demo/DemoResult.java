package io.fisherstreams.demo;

import java.time.Duration;
import java.util.Collections;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/**
 * The demo's result.
 *
 * @param baseModel the base model's parameters
 * @param models the fine-tuned models with their Fishers, in the order of their arrival
 * @param seed of all random draws
 * @param examples number of examples of each model's Fisher
 * @param testImages number of images that each accuracy is measured on
 * @param base the base model's scores
 * @param alone every fine-tuned model's accuracy on its own task
 * @param changes the pool's changes, in order; the last is the withdrawal
 * @param methods all models merged by each of several methods
 * @param withdrawalExact whether the last release is bit-identical to that of a pool that never had
 *     the withdrawn model
 * @param merged the last release's parameters
 * @param took duration of the whole run
 */
public record DemoResult(
    DigitParameters baseModel,
    List<PooledModel> models,
    long seed,
    int examples,
    int testImages,
    Scores base,
    Map<DigitTask, Double> alone,
    List<PoolChange> changes,
    List<MethodComparison.Result> methods,
    boolean withdrawalExact,
    DigitParameters merged,
    Duration took) {
  public DemoResult {
    alone = Collections.unmodifiableMap(new EnumMap<>(alone));
    models = List.copyOf(models);
    changes = List.copyOf(changes);
    methods = List.copyOf(methods);
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
