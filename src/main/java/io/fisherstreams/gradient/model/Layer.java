package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;

/** The part of a transformer block between a norm and a residual addition: attention or MLP. */
interface Layer {

  /**
   * Runs the layer inside a {@link Scratch} scope, and keeps the activations that gradients need.
   *
   * @param x (examples, rows, width)
   * @param attending what attention needs beside its input
   */
  Pass forward(NDArray x, Attending attending);

  /** One application. */
  interface Pass {

    /** (examples, rows or 1, width). */
    NDArray output();

    /**
     * Adds all squared gradients.
     *
     * @param d the output's gradients, (directions, rows or 1, width)
     * @return the input's gradients, (directions, rows, width), in memory of their own
     */
    NDArray backward(NDArray d, Backward backward);
  }
}
