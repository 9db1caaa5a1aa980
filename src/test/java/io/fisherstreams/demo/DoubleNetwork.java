package io.fisherstreams.demo;

import io.fisherstreams.tensor.TensorInfo;
import java.util.LinkedHashMap;
import java.util.Map;

/** The perceptron in float64 and plain loops, with derivatives by finite differences. */
final class DoubleNetwork {
  private static final double STEP = 1e-5;
  private final Map<String, double[]> values = new LinkedHashMap<>();

  DoubleNetwork(DigitParameters parameters) {
    for (TensorInfo tensor : parameters.tensors()) {
      float[] source = parameters.values(tensor.name());
      double[] target = new double[source.length];
      for (int j = 0; j < source.length; j++) {
        target[j] = source[j];
      }
      values.put(tensor.name(), target);
    }
  }

  /** log p(c|x) for every class c. */
  double[] logProbabilities(DigitImages images, int image) {
    double[] x = new double[DigitImages.PIXELS];
    for (int j = 0; j < x.length; j++) {
      x[j] = Byte.toUnsignedInt(images.pixels()[image * DigitImages.PIXELS + j]) / 255.0;
    }
    for (int layer = 0; layer < 3; layer++) {
      double[] weight = values.get("layers." + layer + ".weight");
      double[] bias = values.get("layers." + layer + ".bias");
      double[] y = new double[bias.length];
      for (int out = 0; out < y.length; out++) {
        double sum = bias[out];
        for (int in = 0; in < x.length; in++) {
          sum += weight[out * x.length + in] * x[in];
        }
        y[out] = layer < 2 ? Math.max(sum, 0) : sum;
      }
      x = y;
    }
    double sum = 0;
    for (double logit : x) {
      sum += Math.exp(logit);
    }
    for (int c = 0; c < x.length; c++) {
      x[c] -= Math.log(sum);
    }
    return x;
  }

  /** ∂ log p(c|x) / ∂θ[j] for every class c, by central differences. */
  double[] derivatives(DigitImages images, int image, String name, int j) {
    double[] tensor = values.get(name);
    double kept = tensor[j];
    tensor[j] = kept + STEP;
    double[] above = logProbabilities(images, image);
    tensor[j] = kept - STEP;
    double[] below = logProbabilities(images, image);
    tensor[j] = kept;
    for (int c = 0; c < above.length; c++) {
      above[c] = (above[c] - below[c]) / (2 * STEP);
    }
    return above;
  }
}
