package io.fisherstreams.demo;

import java.util.Arrays;

/**
 * Forward and backward passes of a {@link DigitNetwork} over a batch of images. The constructor
 * allocates all memory, {@link #close} frees it. ND4J computes the matrix products; plain loops do
 * the rest, because the rows have a few hundred numbers and starting an elementwise operation of
 * ND4J costs more than such a row.
 *
 * <p>Activations and deltas hold one image after another: {@code [capacity, width]} row-major.
 */
final class Pass implements AutoCloseable {
  private final int capacity;
  private final float[][] activations = new float[DigitNetwork.LAYERS + 1][];
  private final float[][] deltas = new float[DigitNetwork.LAYERS][];
  private final float[] probabilities;
  private final Matrix[] weightMatrices = new Matrix[DigitNetwork.LAYERS];
  private final Matrix[] activationMatrices = new Matrix[DigitNetwork.LAYERS];
  private final Matrix[] outputMatrices = new Matrix[DigitNetwork.LAYERS];
  private final Matrix[] deltaMatrices = new Matrix[DigitNetwork.LAYERS];
  private DigitNetwork network;
  private int count;

  Pass(int capacity) {
    this.capacity = capacity;
    probabilities = new float[capacity * DigitImages.CLASSES];
    activations[0] = new float[capacity * DigitImages.PIXELS];
    for (int layer = 0; layer < DigitNetwork.LAYERS; layer++) {
      int in = DigitNetwork.inputs(layer);
      int out = DigitNetwork.outputs(layer);
      activations[layer + 1] = new float[capacity * out];
      deltas[layer] = new float[capacity * out];
      weightMatrices[layer] = new Matrix(in, out);
      activationMatrices[layer] = new Matrix(in, capacity);
      outputMatrices[layer] = new Matrix(out, capacity);
      deltaMatrices[layer] = new Matrix(out, capacity);
    }
  }

  /** Maximum number of images of one pass. */
  int capacity() {
    return capacity;
  }

  /** Copies the network's present weights for the next passes. */
  void use(DigitNetwork network) {
    this.network = network;
    for (int layer = 0; layer < DigitNetwork.LAYERS; layer++) {
      weightMatrices[layer].write(network.weight(layer), 0);
    }
  }

  /**
   * Runs the images {@code order[from]} to {@code order[from + count - 1]} through the network.
   *
   * @param count at most the capacity
   */
  void forward(DigitImages images, int[] order, int from, int count) {
    this.count = count;
    float[] input = activations[0];
    for (int i = 0; i < count; i++) {
      for (int pixel = 0; pixel < DigitImages.PIXELS; pixel++) {
        input[i * DigitImages.PIXELS + pixel] = images.value(order[from + i], pixel);
      }
    }
    Arrays.fill(input, count * DigitImages.PIXELS, input.length, 0);
    for (int layer = 0; layer < DigitNetwork.LAYERS; layer++) {
      activationMatrices[layer].write(activations[layer], 0);
      outputMatrices[layer].becomeTransposedProduct(
          weightMatrices[layer], activationMatrices[layer]);
      outputMatrices[layer].read(activations[layer + 1], 0);
      addBias(activations[layer + 1], network.bias(layer), layer < DigitNetwork.LAYERS - 1);
    }
    softmax();
  }

  private static void addBias(float[] outputs, float[] bias, boolean rectified) {
    float minimum = rectified ? 0 : Float.NEGATIVE_INFINITY;
    for (int start = 0; start < outputs.length; start += bias.length) {
      for (int j = 0; j < bias.length; j++) {
        outputs[start + j] = Math.max(minimum, outputs[start + j] + bias[j]);
      }
    }
  }

  private void softmax() {
    float[] logits = activations[DigitNetwork.LAYERS];
    for (int start = 0; start < logits.length; start += DigitImages.CLASSES) {
      double largest = logits[start + predicted(start / DigitImages.CLASSES)];
      double sum = 0;
      for (int c = start; c < start + DigitImages.CLASSES; c++) {
        sum += Math.exp(logits[c] - largest);
      }
      for (int c = start; c < start + DigitImages.CLASSES; c++) {
        probabilities[c] = (float) (Math.exp(logits[c] - largest) / sum);
      }
    }
  }

  /** The class of the largest logit of the pass's {@code i}-th image. */
  int predicted(int i) {
    float[] logits = activations[DigitNetwork.LAYERS];
    int best = 0;
    for (int c = 1; c < DigitImages.CLASSES; c++) {
      if (logits[i * DigitImages.CLASSES + c] > logits[i * DigitImages.CLASSES + best]) {
        best = c;
      }
    }
    return best;
  }

  /** The probability of a class for the pass's {@code i}-th image. */
  float probability(int i, int digit) {
    return probabilities[i * DigitImages.CLASSES + digit];
  }

  /**
   * The derivatives with respect to the logits, image after image. The caller fills them before
   * {@link #backward}; entries beyond the pass's images are ignored.
   */
  float[] logitDeltas() {
    return deltas[DigitNetwork.LAYERS - 1];
  }

  /** Propagates the derivatives from the logits back to the outputs of every layer. */
  void backward() {
    Arrays.fill(logitDeltas(), count * DigitImages.CLASSES, logitDeltas().length, 0);
    deltaMatrices[DigitNetwork.LAYERS - 1].write(logitDeltas(), 0);
    for (int layer = DigitNetwork.LAYERS - 1; layer > 0; layer--) {
      float[] below = deltas[layer - 1];
      deltaMatrices[layer - 1].becomeProduct(weightMatrices[layer], deltaMatrices[layer]);
      deltaMatrices[layer - 1].read(below, 0);
      for (int j = 0; j < below.length; j++) {
        below[j] = activations[layer][j] > 0 ? below[j] : 0;
      }
      deltaMatrices[layer - 1].write(below, 0);
    }
  }

  /**
   * The derivative with respect to a layer's weights and biases, summed over the images.
   *
   * @param weight receives the sum, as the transpose of {@code [out, in]} row-major
   * @param bias receives the sum
   */
  void gradient(int layer, Matrix weight, float[] bias) {
    weight.becomeProductTransposed(activationMatrices[layer], deltaMatrices[layer]);
    Arrays.fill(bias, 0);
    addRows(deltas[layer], bias);
  }

  private static void addRows(float[] rows, float[] sum) {
    for (int start = 0; start < rows.length; start += sum.length) {
      for (int j = 0; j < sum.length; j++) {
        sum[j] += rows[start + j];
      }
    }
  }

  @Override
  public void close() {
    for (Matrix[] matrices :
        new Matrix[][] {weightMatrices, activationMatrices, outputMatrices, deltaMatrices}) {
      for (Matrix matrix : matrices) {
        matrix.close();
      }
    }
  }
}
