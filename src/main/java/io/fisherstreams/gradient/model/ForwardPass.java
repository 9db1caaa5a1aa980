package io.fisherstreams.gradient.model;

/** One batch's logits and the activations behind them. Owns native memory until closed. */
public interface ForwardPass extends AutoCloseable {

  /** Logits, row-major: (examples of the batch, classes). */
  float[] logits();

  /**
   * Adds squared gradients along the given directions; may be called more than once.
   *
   * @param directions at least one
   * @param sums receives the squares; its example count does not change
   */
  void addSquaredGradients(Cotangents directions, SquaredSums sums);

  @Override
  void close();
}
