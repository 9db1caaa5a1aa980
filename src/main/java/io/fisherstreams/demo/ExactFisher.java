package io.fisherstreams.demo;

import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

/**
 * The exact per-example diagonal Fisher of a {@link Network}: for every example the expectation of
 * the squared gradient over all classes, one backward pass a class (Matena and Raffel, "Merging
 * Models with Fisher-Weighted Averaging", 2022).
 */
final class ExactFisher implements AutoCloseable {
  private final Pass pass;
  private final Matrix[] weightSums = new Matrix[Network.LAYERS];
  private final float[][] zeros = new float[Network.LAYERS][];
  private final float[][] weights = new float[Network.LAYERS][];
  private final float[][] biases = new float[Network.LAYERS][];

  /**
   * @param batch examples of a gradient batch
   */
  ExactFisher(int batch) {
    pass = new Pass(batch);
    for (int layer = 0; layer < Network.LAYERS; layer++) {
      weightSums[layer] = new Matrix(Network.inputs(layer), Network.outputs(layer));
      zeros[layer] = new float[weightSums[layer].size()];
      weights[layer] = new float[weightSums[layer].size()];
      biases[layer] = new float[Network.outputs(layer)];
    }
  }

  /**
   * The squared gradients of the first {@code examples} images, in batches; their labels are not
   * used.
   */
  List<SquaredGradients> of(Network network, DigitImages images, int examples) {
    int[] order = new int[examples];
    Arrays.setAll(order, i -> i);
    List<SquaredGradients> batches = new ArrayList<>();
    pass.use(network);
    for (int from = 0; from < examples; from += pass.capacity()) {
      int count = Math.min(pass.capacity(), examples - from);
      batches.add(new SquaredGradients(batch(images, order, from, count), count));
    }
    return batches;
  }

  private Parameters batch(DigitImages images, int[] order, int from, int count) {
    pass.forward(images, order, from, count);
    pass.squareActivations();
    for (int layer = 0; layer < Network.LAYERS; layer++) {
      weightSums[layer].write(zeros[layer], 0);
      Arrays.fill(biases[layer], 0);
    }
    for (int digit = 0; digit < DigitImages.CLASSES; digit++) {
      deriveLogProbability(digit, count);
      pass.backward();
      for (int layer = 0; layer < Network.LAYERS; layer++) {
        pass.addSquaredGradient(layer, weightSums[layer], biases[layer]);
      }
    }
    for (int layer = 0; layer < Network.LAYERS; layer++) {
      weightSums[layer].read(weights[layer], 0);
    }
    return Network.named(weights, biases);
  }

  /** √p · ∂ log p / ∂logits: the backward pass is linear, so its squares come out times p. */
  private void deriveLogProbability(int digit, int count) {
    float[] delta = pass.logitDeltas();
    for (int i = 0; i < count; i++) {
      float root = (float) Math.sqrt(pass.probability(i, digit));
      for (int c = 0; c < DigitImages.CLASSES; c++) {
        float target = c == digit ? 1 : 0;
        delta[i * DigitImages.CLASSES + c] = root * (target - pass.probability(i, c));
      }
    }
  }

  @Override
  public void close() {
    pass.close();
    for (Matrix matrix : weightSums) {
      matrix.close();
    }
  }
}
