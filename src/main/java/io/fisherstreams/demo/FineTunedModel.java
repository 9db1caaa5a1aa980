package io.fisherstreams.demo;

import io.fisherstreams.tensor.TensorInfo;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * What a user hands in for one model.
 *
 * @param name the model's name
 * @param parameters its parameters, of the base model's names and shapes
 * @param gradients the gradient batches of its diagonal Fisher, in the order of their sequence
 *     numbers from 0
 */
public record FineTunedModel(String name, Parameters parameters, List<SquaredGradients> gradients) {
  public FineTunedModel {
    gradients = List.copyOf(gradients);
  }

  /** Number of examples that the gradient batches are summed over. */
  public int examples() {
    return gradients.stream().mapToInt(SquaredGradients::examples).sum();
  }

  /** Its diagonal Fisher: the mean over all examples, summed in float64. */
  Parameters fisher() {
    Map<String, float[]> means = new LinkedHashMap<>();
    for (TensorInfo tensor : parameters.tensors()) {
      double[] sum = new double[Math.toIntExact(tensor.elements())];
      for (SquaredGradients batch : gradients) {
        float[] values = batch.sums().values(tensor.name());
        for (int j = 0; j < sum.length; j++) {
          sum[j] += values[j];
        }
      }
      float[] mean = new float[sum.length];
      for (int j = 0; j < sum.length; j++) {
        mean[j] = (float) (sum[j] / examples());
      }
      means.put(tensor.name(), mean);
    }
    return new Parameters(List.copyOf(parameters.tensors()), means);
  }
}
