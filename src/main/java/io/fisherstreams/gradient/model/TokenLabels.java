package io.fisherstreams.gradient.model;

/** Which next tokens' log-probabilities a language model is differentiated along. */
public sealed interface TokenLabels {

  /** The example's own labels: one direction an example, the gradient of their summed log p. */
  record Own() implements TokenLabels {}

  /**
   * Tokens drawn from the model at every target, with the example's own tokens before it: one
   * direction an example and draw, the gradient of their summed log p.
   *
   * @param samples draws of each target
   * @param seed of the draws; a draw depends on seed, example, draw and target alone
   */
  record Drawn(int samples, long seed) implements TokenLabels {}

  /**
   * Every token at every target, weighted by its probability.
   *
   * @param maxVocabulary a model with more tokens is rejected: it would need a backward pass for
   *     each target and token
   */
  record Every(int maxVocabulary) implements TokenLabels {}
}
