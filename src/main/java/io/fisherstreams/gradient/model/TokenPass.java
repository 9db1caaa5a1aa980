package io.fisherstreams.gradient.model;

/** One batch of a language model, with its activations. Owns native memory until closed. */
public interface TokenPass extends AutoCloseable {

  /**
   * How well the labels are predicted.
   *
   * @throws io.fisherstreams.InvalidInput when the logits of an example are not finite
   */
  TokenScores scores();

  /**
   * Rejects what {@link #addSquaredGradients} would reject.
   *
   * @throws io.fisherstreams.InvalidInput with the reason
   */
  void check(TokenLabels labels);

  /**
   * Adds squared gradients; may be called more than once.
   *
   * @param sums receives the squares; its example count does not change
   * @throws io.fisherstreams.InvalidInput when the logits of an example are not finite, or the
   *     vocabulary is too large for {@link TokenLabels.Every}; the sums are then as before
   */
  void addSquaredGradients(TokenLabels labels, SquaredSums sums);

  @Override
  void close();
}
