package io.fisherstreams.bench;

import io.fisherstreams.gradient.Estimator;
import io.fisherstreams.gradient.FisherEstimation;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.Cotangents;
import io.fisherstreams.gradient.model.ForwardPass;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.SquaredSums;
import io.fisherstreams.record.ManifestRules;
import java.util.List;

/** How an example's Fisher is computed. */
enum FisherLoop {
  /** All examples of a batch at once, as the {@code fisher} command does. */
  BATCHED("batches of " + ManifestRules.DEFAULT_BATCH_SIZE, ManifestRules.DEFAULT_BATCH_SIZE),
  /** As before with larger batches, so that parameters and sums are read less often. */
  LARGE("batches of " + 2 * ManifestRules.DEFAULT_BATCH_SIZE, 2 * ManifestRules.DEFAULT_BATCH_SIZE),
  /** One example at a time, along the same C − 1 directions: for two classes one backward pass. */
  EACH_DIRECTION("plain loop of one backward pass per direction (C - 1 for C classes)", 1),
  /** One example at a time, along every class, as the exact Fisher is defined. */
  EACH_CLASS("plain loop of C backward passes per example", 1);

  private final String title;
  private final int batchSize;

  FisherLoop(String title, int batchSize) {
    this.title = title;
    this.batchSize = batchSize;
  }

  String title() {
    return title;
  }

  int batchSize() {
    return batchSize;
  }

  /**
   * How many examples a second it adds to sums, measured for some seconds and at least one batch.
   *
   * @param estimator which gradients are squared
   * @param examples how many the source has
   */
  double examplesPerSecond(
      ModelRuntime runtime,
      Estimator estimator,
      SquaredSums sums,
      ExampleSource source,
      int examples,
      double seconds) {
    FisherEstimation estimation = new FisherEstimation(runtime, estimator);
    int done = 0;
    long start = System.nanoTime();
    do {
      List<Example> batch = source.read(done % examples, batchSize);
      if (this == EACH_CLASS) {
        addEveryClass(runtime, batch, sums);
      } else {
        estimation.add(batch, sums);
      }
      done += batchSize;
    } while (System.nanoTime() - start < seconds * 1e9);
    return done / ((System.nanoTime() - start) / 1e9);
  }

  /** Adds Σ_c p_c (∂ log p_c)² of one example by its C gradients along √p_c (e_c − p). */
  private static void addEveryClass(ModelRuntime runtime, List<Example> one, SquaredSums sums) {
    try (ForwardPass pass = runtime.forward(one)) {
      float[] logits = pass.logits();
      double total = 0;
      for (float logit : logits) {
        total += Math.exp(logit);
      }
      float[][] directions = new float[logits.length][logits.length];
      for (int c = 0; c < logits.length; c++) {
        double root = Math.sqrt(Math.exp(logits[c]) / total);
        for (int j = 0; j < logits.length; j++) {
          directions[c][j] = (float) (root * ((j == c ? 1 : 0) - Math.exp(logits[j]) / total));
        }
      }
      pass.addSquaredGradients(
          new Cotangents(new int[logits.length], directions, Cotangents.Squaring.EACH), sums);
    }
  }
}
