package io.fisherstreams.demo;

import java.util.Arrays;

/**
 * Forward and backward passes of a {@link Network} over up to a fixed number of images at once. All
 * memory is taken at construction and freed by {@link #close}. Products run in ND4J; the work
 * between them, on rows of a few hundred numbers, in plain loops, because an elementwise operation
 * of ND4J costs more to start than such a row takes.
 *
 * <p>Activations and deltas hold one image after another: {@code [capacity, width]} row-major.
 */
final class Pass implements AutoCloseable {
  private final int capacity;
  private final float[][] activations = new float[Network.LAYERS + 1][];
  private final float[][] deltas = new float[Network.LAYERS][];
  private final float[] probabilities;
  private final float[] squares;
  private final Matrix[] weightMatrices = new Matrix[Network.LAYERS];
  private final Matrix[] activationMatrices = new Matrix[Network.LAYERS];
  private final Matrix[] outputMatrices = new Matrix[Network.LAYERS];
  private final Matrix[] deltaMatrices = new Matrix[Network.LAYERS];
  private Network network;
  private int count;

  Pass(int capacity) {
    this.capacity = capacity;
    probabilities = new float[capacity * DigitImages.CLASSES];
    squares = new float[capacity * DigitImages.PIXELS];
    activations[0] = new float[capacity * DigitImages.PIXELS];
    for (int layer = 0; layer < Network.LAYERS; layer++) {
      int in = Network.inputs(layer);
      int out = Network.outputs(layer);
      activations[layer + 1] = new float[capacity * out];
      deltas[layer] = new float[capacity * out];
      weightMatrices[layer] = new Matrix(in, out);
      activationMatrices[layer] = new Matrix(in, capacity);
      outputMatrices[layer] = new Matrix(out, capacity);
      deltaMatrices[layer] = new Matrix(out, capacity);
    }
  }

  /** The most images of one pass. */
  int capacity() {
    return capacity;
  }

  /** Uses this network's present parameters from now on. */
  void use(Network network) {
    this.network = network;
    for (int layer = 0; layer < Network.LAYERS; layer++) {
      weightMatrices[layer].write(network.weight(layer), 0);
    }
  }

  /**
   * Reads the images {@code order[from]} to {@code order[from + count - 1]}.
   *
   * @param count at most the capacity
   */
  void forward(DigitImages images, int[] order, int from, int count) {
    this.count = count;
    float[] input = activations[0];
    for (int i = 0; i < count; i++) {
      int source = order[from + i] * DigitImages.PIXELS;
      for (int pixel = 0; pixel < DigitImages.PIXELS; pixel++) {
        input[i * DigitImages.PIXELS + pixel] = (images.pixels()[source + pixel] & 0xFF) / 255f;
      }
    }
    Arrays.fill(input, count * DigitImages.PIXELS, input.length, 0);
    for (int layer = 0; layer < Network.LAYERS; layer++) {
      activationMatrices[layer].write(activations[layer], 0);
      outputMatrices[layer].becomeTransposedProduct(
          weightMatrices[layer], activationMatrices[layer]);
      outputMatrices[layer].read(activations[layer + 1], 0);
      addBias(activations[layer + 1], network.bias(layer), layer < Network.LAYERS - 1);
    }
    softmax();
  }

  private static void addBias(float[] outputs, float[] bias, boolean rectified) {
    float least = rectified ? 0 : Float.NEGATIVE_INFINITY;
    for (int start = 0; start < outputs.length; start += bias.length) {
      for (int j = 0; j < bias.length; j++) {
        outputs[start + j] = Math.max(least, outputs[start + j] + bias[j]);
      }
    }
  }

  private void softmax() {
    float[] logits = activations[Network.LAYERS];
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
    float[] logits = activations[Network.LAYERS];
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
   * Where the caller writes the derivatives by the logits, image after image, before {@link
   * #backward}; those of images beyond the pass's count are ignored.
   */
  float[] logitDeltas() {
    return deltas[Network.LAYERS - 1];
  }

  /** Carries the derivatives by the logits back to every layer's outputs. */
  void backward() {
    Arrays.fill(logitDeltas(), count * DigitImages.CLASSES, logitDeltas().length, 0);
    deltaMatrices[Network.LAYERS - 1].write(logitDeltas(), 0);
    for (int layer = Network.LAYERS - 1; layer > 0; layer--) {
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
   * The derivative by a layer's weights and biases, summed over the images.
   *
   * @param weight receives the sum, as the transpose of {@code [out, in]} row-major
   * @param bias receives the sum
   */
  void gradient(int layer, Matrix weight, float[] bias) {
    weight.becomeProductTransposed(activationMatrices[layer], deltaMatrices[layer]);
    Arrays.fill(bias, 0);
    addRows(deltas[layer], bias);
  }

  /**
   * Makes this pass ready for {@link #addSquaredGradient}: until the next {@link #forward}, {@link
   * #gradient} must not be asked.
   */
  void squareActivations() {
    for (int layer = 0; layer < Network.LAYERS; layer++) {
      square(activations[layer], squares);
      activationMatrices[layer].write(squares, 0);
    }
  }

  /**
   * Adds, over the images, the squared derivatives by a layer's weights and biases. The derivative
   * of one image by a weight is the product of its activation and its delta, so the sum of the
   * squares is one product of squared matrices. Once a layer after each {@link #backward}.
   *
   * @param weight adds the sums to itself, as the transpose of {@code [out, in]} row-major
   * @param bias the sums are added to it
   */
  void addSquaredGradient(int layer, Matrix weight, float[] bias) {
    square(deltas[layer], deltas[layer]);
    deltaMatrices[layer].write(deltas[layer], 0);
    weight.addProductTransposed(activationMatrices[layer], deltaMatrices[layer]);
    addRows(deltas[layer], bias);
  }

  private static void square(float[] values, float[] target) {
    for (int j = 0; j < values.length; j++) {
      target[j] = values[j] * values[j];
    }
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
