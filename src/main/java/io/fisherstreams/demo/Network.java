package io.fisherstreams.demo;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;

/**
 * A perceptron that reads digits: 784 pixels from 0 to 1, hidden layers of 256 and 128 rectified
 * units, 10 logits. Its parameters are named as PyTorch names those of a list of linear layers:
 * {@code layers.0.weight} of shape {@code [out, in]}, {@code layers.0.bias} of shape {@code [out]},
 * and so on.
 */
public final class Network {
  private static final int[] WIDTHS = {DigitImages.PIXELS, 256, 128, DigitImages.CLASSES};

  /** Number of linear layers. */
  static final int LAYERS = WIDTHS.length - 1;

  private final float[][] weights = new float[LAYERS][];
  private final float[][] biases = new float[LAYERS][];

  private Network() {
    for (int layer = 0; layer < LAYERS; layer++) {
      weights[layer] = new float[inputs(layer) * outputs(layer)];
      biases[layer] = new float[outputs(layer)];
    }
  }

  /**
   * A network to train: zero biases, weights drawn from a normal distribution of variance 2 / in
   * (He et al., "Delving Deep into Rectifiers", 2015).
   */
  static Network random(long seed) {
    Network network = new Network();
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
   * The network of these parameters, which are copied.
   *
   * @throws IllegalArgumentException when they are not those of such a network
   */
  public static Network of(Parameters parameters) {
    if (!List.copyOf(parameters.tensors()).equals(tensors())) {
      throw new IllegalArgumentException(
          "expected the tensors " + tensors() + ", found " + parameters.tensors());
    }
    Network network = new Network();
    for (int layer = 0; layer < LAYERS; layer++) {
      network.weights[layer] = parameters.values(weightName(layer)).clone();
      network.biases[layer] = parameters.values(biasName(layer)).clone();
    }
    return network;
  }

  /** Its parameters, copied. */
  public Parameters parameters() {
    return named(weights, biases);
  }

  /** An independent copy. */
  Network copy() {
    return of(parameters());
  }

  /** One number for each parameter, copied; the arrays as {@link #weight} and {@link #bias}. */
  static Parameters named(float[][] weights, float[][] biases) {
    Map<String, float[]> values = new LinkedHashMap<>();
    for (int layer = 0; layer < LAYERS; layer++) {
      values.put(weightName(layer), weights[layer].clone());
      values.put(biasName(layer), biases[layer].clone());
    }
    return new Parameters(tensors(), values);
  }

  /** The layer's weights, {@code [out, in]} row by row; not copied. */
  float[] weight(int layer) {
    return weights[layer];
  }

  /** The layer's biases, {@code [out]}; not copied. */
  float[] bias(int layer) {
    return biases[layer];
  }

  /** Number of inputs of a layer. */
  static int inputs(int layer) {
    return WIDTHS[layer];
  }

  /** Number of outputs of a layer. */
  static int outputs(int layer) {
    return WIDTHS[layer + 1];
  }

  private static List<TensorInfo> tensors() {
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
