package io.fisherstreams.demo;

import java.util.Arrays;
import java.util.Locale;
import java.util.Random;

/**
 * Trains a {@link DigitNetwork} with Adam (Kingma and Ba, 2015: β₁ = 0.9, β₂ = 0.999, 10⁻⁸) on the
 * cross entropy. The learning rate falls linearly to a tenth. The same seed and images give the
 * same network on the same machine.
 */
final class Trainer implements AutoCloseable {
  private static final int BATCH = 100;
  private static final double BETA1 = 0.9;
  private static final double BETA2 = 0.999;
  private static final double TINY = 1e-8;

  private final Pass pass = new Pass(BATCH);
  private final Matrix[] gradientMatrices = new Matrix[DigitNetwork.LAYERS];
  private final float[][] weightGradients = new float[DigitNetwork.LAYERS][];
  private final float[][] biasGradients = new float[DigitNetwork.LAYERS][];

  Trainer() {
    for (int layer = 0; layer < DigitNetwork.LAYERS; layer++) {
      gradientMatrices[layer] = new Matrix(DigitNetwork.inputs(layer), DigitNetwork.outputs(layer));
      weightGradients[layer] = new float[gradientMatrices[layer].size()];
      biasGradients[layer] = new float[DigitNetwork.outputs(layer)];
    }
  }

  /** Receives the end of each epoch. */
  @FunctionalInterface
  interface EpochListener {
    /**
     * One epoch is over.
     *
     * @param epoch from 1
     * @param loss mean cross entropy of its images, in nats, each measured before its own step
     */
    void epoch(int epoch, double loss);
  }

  /**
   * Returns the trained network; {@code start} does not change.
   *
   * @param images a multiple of 100; each epoch uses all of them in a new order
   */
  DigitNetwork train(
      DigitNetwork start,
      DigitImages images,
      int epochs,
      double learningRate,
      long seed,
      EpochListener listener) {
    if (images.count() % BATCH != 0) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "expected a multiple of %d images, found %d", BATCH, images.count()));
    }
    DigitNetwork network = start.copy();
    Moments[] weightMoments = new Moments[DigitNetwork.LAYERS];
    Moments[] biasMoments = new Moments[DigitNetwork.LAYERS];
    for (int layer = 0; layer < DigitNetwork.LAYERS; layer++) {
      weightMoments[layer] = new Moments(network.weight(layer).length);
      biasMoments[layer] = new Moments(network.bias(layer).length);
    }
    int[] order = new int[images.count()];
    Arrays.setAll(order, i -> i);
    Random random = new Random(seed);
    int steps = epochs * (images.count() / BATCH);
    int step = 0;
    for (int epoch = 1; epoch <= epochs; epoch++) {
      shuffle(order, random);
      double loss = 0;
      for (int from = 0; from < order.length; from += BATCH) {
        loss += derive(network, images, order, from);
        step++;
        double rate = learningRate * (1 - 0.9 * step / steps);
        for (int layer = 0; layer < DigitNetwork.LAYERS; layer++) {
          weightMoments[layer].step(network.weight(layer), weightGradients[layer], rate, step);
          biasMoments[layer].step(network.bias(layer), biasGradients[layer], rate, step);
        }
      }
      listener.epoch(epoch, loss / order.length);
    }
    return network;
  }

  /** Fills the gradients of the batch's mean loss and returns the sum of its losses. */
  double derive(DigitNetwork network, DigitImages images, int[] order, int from) {
    pass.use(network);
    pass.forward(images, order, from, BATCH);
    double loss = 0;
    float[] delta = pass.logitDeltas();
    for (int i = 0; i < BATCH; i++) {
      int label = images.labels()[order[from + i]];
      for (int c = 0; c < DigitImages.CLASSES; c++) {
        float target = c == label ? 1 : 0;
        delta[i * DigitImages.CLASSES + c] = (pass.probability(i, c) - target) / BATCH;
      }
      loss -= Math.log(Math.max(pass.probability(i, label), Float.MIN_NORMAL));
    }
    pass.backward();
    for (int layer = 0; layer < DigitNetwork.LAYERS; layer++) {
      pass.gradient(layer, gradientMatrices[layer], biasGradients[layer]);
      gradientMatrices[layer].read(weightGradients[layer], 0);
    }
    return loss;
  }

  /** A copy of the gradient of the last {@link #derive}. */
  DigitParameters gradient() {
    return DigitNetwork.named(weightGradients, biasGradients);
  }

  private static void shuffle(int[] order, Random random) {
    for (int i = order.length - 1; i > 0; i--) {
      int j = random.nextInt(i + 1);
      int swapped = order[i];
      order[i] = order[j];
      order[j] = swapped;
    }
  }

  /** Adam's running means of one tensor's gradients and of their squares. */
  static final class Moments {
    private final float[] first;
    private final float[] second;

    Moments(int elements) {
      first = new float[elements];
      second = new float[elements];
    }

    /**
     * Moves the values by one step of Adam.
     *
     * @param step number of this step, from 1
     */
    void step(float[] values, float[] gradient, double rate, int step) {
      float scale = (float) (rate / (1 - Math.pow(BETA1, step)));
      float unbias = (float) (1 / Math.sqrt(1 - Math.pow(BETA2, step)));
      float keep1 = (float) BETA1;
      float keep2 = (float) BETA2;
      float tiny = (float) TINY;
      for (int j = 0; j < values.length; j++) {
        float g = gradient[j];
        float m = keep1 * first[j] + (1 - keep1) * g;
        float v = keep2 * second[j] + (1 - keep2) * g * g;
        first[j] = m;
        second[j] = v;
        values[j] -= scale * m / ((float) Math.sqrt(v) * unbias + tiny);
      }
    }
  }

  @Override
  public void close() {
    pass.close();
    for (Matrix matrix : gradientMatrices) {
      matrix.close();
    }
  }
}
