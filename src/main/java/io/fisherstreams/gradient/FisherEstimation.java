package io.fisherstreams.gradient;

import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.Cotangents;
import io.fisherstreams.gradient.model.ForwardPass;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.Output;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.gradient.model.TokenPass;
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
   * @return how many outputs the model has, for {@link #checkInputs}
   * @throws io.fisherstreams.InvalidInput when it does not suit the model
   */
  public int check(Example example) {
    if (runtime.output() == Output.TOKENS) {
      try (TokenPass pass = runtime.forwardTokens(List.of(example))) {
        pass.check(estimator.tokens());
        return 0;
      }
    }
    float[] logits = runtime.logits(List.of(example));
    directions(List.of(example), logits);
    return logits.length;
  }

  /**
   * Rejects an example that does not suit the model, without running it if possible.
   *
   * @param outputs as {@link #check} returned it
   * @throws io.fisherstreams.InvalidInput with the example and the reason
   */
  public void checkInputs(Example example, int outputs) {
    runtime.requireInputs(example);
    if (runtime.output() == Output.VALUE) {
      example.value();
    } else if (runtime.output() == Output.CLASSES) {
      example.labelAmong(outputs);
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
    if (runtime.output() == Output.TOKENS) {
      try (TokenPass pass = runtime.forwardTokens(batch)) {
        pass.addSquaredGradients(estimator.tokens(), sums);
        sums.count(batch.size());
      }
      return;
    }
    try (ForwardPass pass = runtime.forward(batch)) {
      Cotangents directions = directions(batch, pass.logits());
      if (directions.count() > 0) {
        pass.addSquaredGradients(directions, sums);
      }
      sums.count(batch.size());
    }
  }

  private Cotangents directions(List<Example> batch, float[] logits) {
    return runtime.output() == Output.VALUE
        ? estimator.directions(Values.of(batch, logits))
        : estimator.directions(Predictions.of(batch, logits));
  }
}
