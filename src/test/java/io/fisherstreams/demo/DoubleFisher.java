package io.fisherstreams.demo;

import io.fisherstreams.tensor.TensorInfo;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The exact diagonal Fisher of the perceptron in float64 and plain loops, one image after the
 * other, independent of the gradient stage. The squared derivative by a weight is δᵢ² aⱼ², so the
 * expectation over the classes is taken of δᵢ² first.
 */
final class DoubleFisher {
  private DoubleFisher() {}

  /** Σ_c p(c|x) (∂ log p(c|x) / ∂θ[j])², the mean over the images x, for every parameter. */
  static Map<String, double[]> of(DigitParameters parameters, DigitImages images) {
    Map<String, double[]> sums = new LinkedHashMap<>();
    for (TensorInfo tensor : parameters.tensors()) {
      sums.put(tensor.name(), new double[(int) tensor.elements()]);
    }
    double[][] weights = new double[3][];
    double[][] biases = new double[3][];
    for (int layer = 0; layer < 3; layer++) {
      weights[layer] = doubles(parameters.values("layers." + layer + ".weight"));
      biases[layer] = doubles(parameters.values("layers." + layer + ".bias"));
    }
    for (int image = 0; image < images.count(); image++) {
      add(weights, biases, images, image, sums);
    }
    sums.values()
        .forEach(
            sum -> {
              for (int j = 0; j < sum.length; j++) {
                sum[j] /= images.count();
              }
            });
    return sums;
  }

  /** The same, rounded to float32. */
  static DigitParameters rounded(DigitParameters parameters, DigitImages images) {
    Map<String, float[]> values = new LinkedHashMap<>();
    of(parameters, images)
        .forEach(
            (name, fisher) -> {
              float[] rounded = new float[fisher.length];
              for (int j = 0; j < rounded.length; j++) {
                rounded[j] = (float) fisher[j];
              }
              values.put(name, rounded);
            });
    return new DigitParameters(List.copyOf(parameters.tensors()), values);
  }

  private static void add(
      double[][] weights,
      double[][] biases,
      DigitImages images,
      int image,
      Map<String, double[]> sums) {
    double[][] activations = new double[4][];
    activations[0] = new double[DigitImages.PIXELS];
    for (int j = 0; j < DigitImages.PIXELS; j++) {
      activations[0][j] =
          Byte.toUnsignedInt(images.pixels()[image * DigitImages.PIXELS + j]) / 255.0;
    }
    for (int layer = 0; layer < 3; layer++) {
      double[] x = activations[layer];
      double[] y = new double[biases[layer].length];
      for (int out = 0; out < y.length; out++) {
        double sum = biases[layer][out];
        for (int in = 0; in < x.length; in++) {
          sum += weights[layer][out * x.length + in] * x[in];
        }
        y[out] = layer < 2 ? Math.max(sum, 0) : sum;
      }
      activations[layer + 1] = y;
    }
    double[] p = softmax(activations[3]);
    double[][] squares = new double[3][];
    for (int layer = 0; layer < 3; layer++) {
      squares[layer] = new double[biases[layer].length];
    }
    for (int c = 0; c < p.length; c++) {
      double[] delta = new double[p.length];
      for (int k = 0; k < p.length; k++) {
        delta[k] = (k == c ? 1 : 0) - p[k];
      }
      for (int layer = 2; layer >= 0; layer--) {
        for (int out = 0; out < delta.length; out++) {
          squares[layer][out] += p[c] * delta[out] * delta[out];
        }
        delta = layer > 0 ? below(weights[layer], delta, activations[layer]) : delta;
      }
    }
    for (int layer = 0; layer < 3; layer++) {
      double[] weight = sums.get("layers." + layer + ".weight");
      double[] bias = sums.get("layers." + layer + ".bias");
      double[] x = activations[layer];
      for (int in = 0; in < x.length; in++) {
        if (x[in] != 0) {
          double square = x[in] * x[in];
          for (int out = 0; out < bias.length; out++) {
            weight[out * x.length + in] += squares[layer][out] * square;
          }
        }
      }
      for (int out = 0; out < bias.length; out++) {
        bias[out] += squares[layer][out];
      }
    }
  }

  private static double[] below(double[] weight, double[] delta, double[] activation) {
    double[] below = new double[activation.length];
    for (int out = 0; out < delta.length; out++) {
      for (int in = 0; in < below.length; in++) {
        below[in] += activation[in] > 0 ? weight[out * below.length + in] * delta[out] : 0;
      }
    }
    return below;
  }

  private static double[] softmax(double[] logits) {
    double[] p = new double[logits.length];
    double sum = 0;
    for (int c = 0; c < p.length; c++) {
      p[c] = Math.exp(logits[c]);
      sum += p[c];
    }
    for (int c = 0; c < p.length; c++) {
      p[c] /= sum;
    }
    return p;
  }

  private static double[] doubles(float[] values) {
    double[] doubles = new double[values.length];
    for (int j = 0; j < doubles.length; j++) {
      doubles[j] = values[j];
    }
    return doubles;
  }
}
