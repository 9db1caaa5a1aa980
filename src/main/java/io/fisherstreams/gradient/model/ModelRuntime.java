package io.fisherstreams.gradient.model;

import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Optional;

/**
 * A model that can be run on examples and differentiated. It gives logits, and squared gradients of
 * linear combinations of logits with respect to its parameters.
 *
 * <p>Owns native memory until {@link #close()}. Not for use by several threads.
 */
public interface ModelRuntime extends AutoCloseable {

  /** What the model predicts. */
  default Output output() {
    return Output.CLASSES;
  }

  /**
   * How the checkpoint's names differ from the architecture's, for people; empty if they do not.
   */
  default Optional<String> note() {
    return Optional.empty();
  }

  /** Where the model runs, and where its sums of squares are. */
  Compute compute();

  /** The parameters that gradients are taken for, in the checkpoint's order. */
  List<TensorInfo> parameters();

  /** Whether an example touches only a few rows of this (two-dimensional) parameter. */
  boolean sparse(String parameter);

  /**
   * Runs the model on a batch and keeps the activations for the gradients.
   *
   * @param batch at least one example
   * @return the pass, to be closed before the next one
   * @throws io.fisherstreams.InvalidInput when an example does not suit the model: an input missing
   *     or of another shape, a token outside the vocabulary, a label out of range
   */
  ForwardPass forward(List<Example> batch);

  /**
   * Runs a model whose {@link #output} is {@link Output#TOKENS} on a batch, and keeps the
   * activations for the gradients.
   *
   * @param batch at least one example
   * @return the pass, to be closed before the next one
   * @throws io.fisherstreams.InvalidInput when an example does not suit the model
   */
  default TokenPass forwardTokens(List<Example> batch) {
    throw new IllegalStateException("this model predicts no tokens; see forward");
  }

  /**
   * Rejects an example that does not suit the model, as {@link #forward} would. Does not check the
   * label.
   *
   * @throws io.fisherstreams.InvalidInput with the example and the reason
   */
  default void requireInputs(Example example) {
    logits(List.of(example));
  }

  /**
   * Runs the model on a batch for its logits alone.
   *
   * @param batch as for {@link #forward}
   * @return row-major, (examples of the batch, classes), or a value for each example
   */
  default float[] logits(List<Example> batch) {
    try (ForwardPass pass = forward(batch)) {
      return pass.logits();
    }
  }

  @Override
  void close();
}
