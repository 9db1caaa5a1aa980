package io.fisherstreams.gradient.model;

/** What a model predicts, and so what log p of an example is. */
public enum Output {
  /** One of several classes: log p(c) = log softmax(logits)_c. */
  CLASSES,
  /** A number: log p(y) = −½ (y − f)², without its constant, with f the only output. */
  VALUE,
  /** The next token at each position: log p = Σ over targets of log p(token | tokens before). */
  TOKENS
}
