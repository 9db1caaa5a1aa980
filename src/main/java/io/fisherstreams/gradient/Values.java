package io.fisherstreams.gradient;

import io.fisherstreams.gradient.example.Example;
import java.util.List;
import java.util.Locale;

/**
 * A regression model's outputs for a batch, and the values that they should have.
 *
 * @param examples the batch
 * @param outputs f(x) by example
 * @param targets y by example
 */
@SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
record Values(List<Example> examples, double[] outputs, double[] targets) {

  /**
   * Reads the targets.
   *
   * @param outputs one for each example
   * @throws io.fisherstreams.InvalidInput for a label that is no single number, or an output that
   *     is not finite
   */
  static Values of(List<Example> examples, float[] outputs) {
    double[] found = new double[outputs.length];
    double[] targets = new double[outputs.length];
    for (int i = 0; i < outputs.length; i++) {
      Example example = examples.get(i);
      if (!Float.isFinite(outputs[i])) {
        throw example.invalid(
            String.format(
                Locale.ROOT,
                "the model's output is %s; are the checkpoint's weights sound?",
                outputs[i]));
      }
      found[i] = outputs[i];
      targets[i] = example.value();
    }
    return new Values(examples, found, targets);
  }

  int size() {
    return outputs.length;
  }

  /** ∂ log p / ∂f = y − f. */
  double residual(int example) {
    return targets[example] - outputs[example];
  }

  /** −½ (y − f)². */
  double logLikelihood(int example) {
    return -0.5 * residual(example) * residual(example);
  }
}
