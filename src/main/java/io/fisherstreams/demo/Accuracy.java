package io.fisherstreams.demo;

import java.util.Arrays;

/** Measures how many images a {@link DigitNetwork} reads correctly. */
final class Accuracy implements AutoCloseable {
  private final Pass pass = new Pass(500);

  /** The share of images whose label gets the largest logit, from 0 to 1. */
  double of(DigitNetwork network, DigitImages images) {
    int[] order = new int[images.count()];
    Arrays.setAll(order, i -> i);
    pass.use(network);
    int correct = 0;
    for (int from = 0; from < order.length; from += pass.capacity()) {
      int count = Math.min(pass.capacity(), order.length - from);
      pass.forward(images, order, from, count);
      for (int i = 0; i < count; i++) {
        correct += pass.predicted(i) == images.labels()[from + i] ? 1 : 0;
      }
    }
    return (double) correct / images.count();
  }

  @Override
  public void close() {
    pass.close();
  }
}
