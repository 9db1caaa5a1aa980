package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.gradient.example.Example;
import java.util.List;
import java.util.Set;

/**
 * An architecture with its parameters: the forward pass, and for each layer the rule that computes
 * and squares its per-example gradients.
 *
 * <p>{@link #logits} uses differentiable operations only, so that automatic differentiation is a
 * second, slow way to the same gradients.
 */
interface Network {

  /** What the outputs mean: {@link Output#CLASSES} or {@link Output#VALUE}. */
  default Output output() {
    return Output.CLASSES;
  }

  /** Names of the embedding tables, whose squares are summed by row. */
  Set<String> embeddings();

  /**
   * Rejects an example that {@link #forward} would reject, without running it.
   *
   * @throws io.fisherstreams.InvalidInput with the example and the reason
   */
  void requireInputs(Example example);

  /**
   * Runs a batch.
   *
   * @param scope owns the pass's arrays
   * @param batch at least one example
   * @throws io.fisherstreams.InvalidInput when an example does not suit the model
   */
  Pass forward(NDManager scope, List<Example> batch);

  /**
   * The logits by the architecture's definition, for automatic differentiation: rows that have no
   * effect are computed too.
   *
   * @param scope owns the arrays
   * @param batch as for {@link #forward}
   * @return (examples, classes), or (examples, 1) for a value
   */
  default NDArray logits(NDManager scope, List<Example> batch) {
    return forward(scope, batch).logits();
  }

  /** One batch's activations. */
  interface Pass {

    /** (examples, classes), or (examples, 1) for a value. */
    NDArray logits();

    /** The rows of each example that can have a gradient. */
    Backward.RowRanges ranges();

    /**
     * Does the backward pass and adds all squares.
     *
     * @param d gradients of the logits, (directions, 1, classes)
     */
    void backward(NDArray d, Backward backward);
  }
}
