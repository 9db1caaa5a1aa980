package io.fisherstreams.demo;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Random;

/**
 * A perceptron that reads digits: 784 pixels from 0 to 1, hidden layers of 256 and 128 rectified
 * units, 10 logits. It is a model of type {@code mlp} for the gradient stage, so its parameters
 * have that type's names: {@code layers.0.weight} of shape {@code [out, in]}, {@code layers.0.bias}
 * of shape {@code [out]}, and so on.
 */
public final class DigitNetwork {
  private static final int[] WIDTHS = {DigitImages.PIXELS, 256, 128, DigitImages.CLASSES};

  /** Number of linear layers. */
  static final int LAYERS = WIDTHS.length - 1;

  private final float[][] weights = new float[LAYERS][];
  private final float[][] biases = new float[LAYERS][];

  private DigitNetwork() {
    for (int layer = 0; layer < LAYERS; layer++) {
      weights[layer] = new float[inputs(layer) * outputs(layer)];
      biases[layer] = new float[outputs(layer)];
    }
  }

  /**
   * A network to train: zero biases, weights drawn from a normal distribution of variance 2 / in
   * (He et al., "Delving Deep into Rectifiers", 2015).
   */
  static DigitNetwork random(long seed) {
    DigitNetwork network = new DigitNetwork();
    Random random = new Random(seed);
    for (int layer = 0; layer < LAYERS; layer++) {
      double deviation = Math.sqrt(2.0 / inputs(layer));
      float[] weight = network.weights[layer];
      for (int j = 0; j < weight.length; j++) {
        weight[j] = (float) (random.nextGaussian() * deviation);
      }
    }
    return network;
  }

  /**
   * A network with a copy of these parameters.
   *
   * @throws IllegalArgumentException when the tensors are not those of such a network
   */
  public static DigitNetwork of(DigitParameters parameters) {
    if (!parameters.tensors().equals(tensors())) {
      throw new IllegalArgumentException(
          "expected the tensors " + tensors() + ", found " + parameters.tensors());
    }
    DigitNetwork network = new DigitNetwork();
    for (int layer = 0; layer < LAYERS; layer++) {
      network.weights[layer] = parameters.values(weightName(layer)).clone();
      network.biases[layer] = parameters.values(biasName(layer)).clone();
    }
    return network;
  }

  /** A copy of its parameters. */
  public DigitParameters parameters() {
    return named(weights, biases);
  }

  /** An independent copy. */
  DigitNetwork copy() {
    return of(parameters());
  }

  /**
   * Names a copy of one number for each parameter.
   *
   * @param weights by layer, each as {@link #weight}
   * @param biases by layer, each as {@link #bias}
   */
  static DigitParameters named(float[][] weights, float[][] biases) {
    Map<String, float[]> values = new LinkedHashMap<>();
    for (int layer = 0; layer < LAYERS; layer++) {
      values.put(weightName(layer), weights[layer].clone());
      values.put(biasName(layer), biases[layer].clone());
    }
    return new DigitParameters(tensors(), values);
  }

  /** The layer's weights, {@code [out, in]} row by row; not copied. */
  float[] weight(int layer) {
    return weights[layer];
  }

  /** The layer's biases, {@code [out]}; not copied. */
  float[] bias(int layer) {
    return biases[layer];
  }

  /** The network's {@code config.json}, from which the gradient stage knows how to run it. */
  static String config() {
    return String.format(
        Locale.ROOT,
        """
        {"model_type": "mlp", "input_size": %d, "hidden_sizes": [%d, %d], "num_labels": %d, \
        "activation": "relu"}""",
        WIDTHS[0],
        WIDTHS[1],
        WIDTHS[2],
        WIDTHS[LAYERS]);
  }

  /** Number of inputs of a layer. */
  static int inputs(int layer) {
    return WIDTHS[layer];
  }

  /** Number of outputs of a layer. */
  static int outputs(int layer) {
    return WIDTHS[layer + 1];
  }

  /** Its tensors, in the order of the layers. */
  static List<TensorInfo> tensors() {
    List<TensorInfo> tensors = new ArrayList<>();
    for (int layer = 0; layer < LAYERS; layer++) {
      long out = outputs(layer);
      long in = inputs(layer);
      tensors.add(new TensorInfo(weightName(layer), DType.F32, List.of(out, in)));
      tensors.add(new TensorInfo(biasName(layer), DType.F32, List.of(out)));
    }
    return tensors;
  }

  /** The name of a layer's weights among the parameters. */
  static String weightName(int layer) {
    return "layers." + layer + ".weight";
  }

  private static String biasName(int layer) {
    return "layers." + layer + ".bias";
  }
}
