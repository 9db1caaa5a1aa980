package io.fisherstreams.demo;

import io.fisherstreams.checkpoint.TensorInfo;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/** What Fisher merging is compared with: every parameter's arithmetic mean over the models. */
final class PlainAverage {
  private PlainAverage() {}

  /** The mean of at least one model, summed in float64. */
  static Parameters of(Collection<Parameters> models) {
    List<TensorInfo> tensors = List.copyOf(models.iterator().next().tensors());
    Map<String, float[]> means = new LinkedHashMap<>();
    for (TensorInfo tensor : tensors) {
      double[] sum = new double[Math.toIntExact(tensor.elements())];
      for (Parameters model : models) {
        float[] values = model.values(tensor.name());
        for (int j = 0; j < sum.length; j++) {
          sum[j] += values[j];
        }
      }
      float[] mean = new float[sum.length];
      for (int j = 0; j < sum.length; j++) {
        mean[j] = (float) (sum[j] / models.size());
      }
      means.put(tensor.name(), mean);
    }
    return new Parameters(tensors, means);
  }
}
