package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.function.Supplier;

/**
 * Frees the intermediate arrays of a computation as soon as it ends, not only when the whole pass
 * ends.
 */
final class Scratch {
  private Scratch() {}

  /**
   * Runs a computation and closes every array that it created, except its result and those that it
   * {@linkplain #keep kept}.
   */
  static NDArray scoped(Supplier<NDArray> computation) {
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      return keep(computation.get());
    }
  }

  /**
   * Runs a computation without a result and closes every array that it created and did not keep.
   */
  static void run(Runnable computation) {
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      computation.run();
    }
  }

  /**
   * x·factor, in memory that PyTorch owns. DJL's {@code mul(Number)} puts the factor into a Java
   * buffer without keeping a reference; automatic differentiation reads it later, when the garbage
   * collector may have freed it.
   */
  static NDArray times(NDArray x, float factor) {
    return x.mul(x.getManager().full(new Shape(), factor, DataType.FLOAT32));
  }

  /** Keeps an array open when the innermost {@link #scoped} computation ends. */
  static NDArray keep(NDArray array) {
    NDScope.unregister(array);
    return array;
  }
}
