package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.gradient.example.Example;
import java.util.List;
import java.util.Set;

/** An architecture that predicts tokens, without the arithmetic of its head. */
interface LanguageNetwork {

  /** Names of the embedding tables whose squares are summed by row. */
  Set<String> embeddings();

  /** The table of token embeddings, (vocabulary, width). */
  LoadedParameter tokens();

  /** The head's weight, (vocabulary, width): the table itself when both are tied. */
  LoadedParameter head();

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

  /** One batch's activations. */
  interface Pass {

    /** The head's input, (examples, rows, width). */
    NDArray hidden();

    /** For each example, the token that each row has to predict, or -1. */
    int[][] targets();

    /** The rows of each example that can have a gradient. */
    Backward.RowRanges ranges();

    /** For each example, the rows of the token table that it looks up. */
    int[][] lookedUp();

    /**
     * Does the backward pass and adds all squares except those of the head and the token table.
     *
     * @param d gradients of {@link #hidden}, (directions, rows, width)
     * @param rows receives the gradients of the token table
     */
    void backward(NDArray d, Backward backward, RowGradients rows);
  }
}
