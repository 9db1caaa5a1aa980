package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;

/** A normalisation of the last dimension with learned factors. */
interface Norm {

  /** Applies the layer to (examples, rows, width), which must stay open as long as the pass. */
  Layer.Pass forward(NDArray x);
}
