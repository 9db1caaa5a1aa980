package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.gradient.example.Example;
import java.util.List;
import java.util.Set;

/**
 * An architecture with its parameters: the forward pass, and the rules by which each layer's
 * per-example gradients are squared on the spot.
 *
 * <p>{@link #logits} uses differentiable operations only, so that automatic differentiation of it
 * is a second, slow road to the same gradients.
 */
interface Network {

  /** Names of the embedding tables, whose squares are summed by row. */
  Set<String> embeddings();

  /**
   * Refuses an example that {@link #forward} would refuse, without running it.
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
   * The logits as the architecture's definition has them, for automatic differentiation: without
   * leaving out rows that nothing reads.
   *
   * @param scope owns the arrays
   * @param batch as for {@link #forward}
   * @return (examples, classes)
   */
  default NDArray logits(NDManager scope, List<Example> batch) {
    return forward(scope, batch).logits();
  }

  /** One batch's activations. */
  interface Pass {

    /** (examples, classes). */
    NDArray logits();

    /** Which rows of each example can carry a gradient. */
    Backward.RowRanges ranges();

    /**
     * Walks backwards and adds all squares.
     *
     * @param d gradients of the logits, (directions, 1, classes)
     */
    void backward(NDArray d, Backward backward);
  }
}
