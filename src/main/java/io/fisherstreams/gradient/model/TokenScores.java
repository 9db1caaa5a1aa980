package io.fisherstreams.gradient.model;

/**
 * How well a language model predicts the labels of some examples.
 *
 * @param tokens number of targets
 * @param correct targets whose label is the most probable token
 * @param logLikelihood Σ over targets of log p(label | tokens before), in nats
 */
public record TokenScores(long tokens, long correct, double logLikelihood) {
  TokenScores plus(TokenScores more) {
    return new TokenScores(
        tokens + more.tokens, correct + more.correct, logLikelihood + more.logLikelihood);
  }
}
