package io.fisherstreams.gradient;

import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.Cotangents;
import io.fisherstreams.gradient.model.ForwardPass;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.SquaredSums;
import java.util.List;

/**
 * Adds examples to a model's sums of squared gradients, a batch at a time.
 *
 * @param runtime the model; not closed here
 * @param estimator which gradients are squared
 */
public record FisherEstimation(ModelRuntime runtime, Estimator estimator) {

  /**
   * Runs one example without adding it.
   *
   * @throws io.fisherstreams.InvalidInput when it does not suit the model
   */
  public void check(Example example) {
    try (ForwardPass pass = runtime.forward(List.of(example))) {
      Predictions.of(List.of(example), pass.logits());
    }
  }

  /**
   * Adds one batch: its squared gradients and its example count.
   *
   * @param batch at least one example
   * @param sums made for the same runtime
   * @throws io.fisherstreams.InvalidInput when an example does not suit the model; the sums are
   *     then as before
   */
  public void add(List<Example> batch, SquaredSums sums) {
    try (ForwardPass pass = runtime.forward(batch)) {
      Cotangents directions = estimator.directions(Predictions.of(batch, pass.logits()));
      if (directions.count() > 0) {
        pass.addSquaredGradients(directions, sums);
      }
      sums.count(batch.size());
    }
  }
}
