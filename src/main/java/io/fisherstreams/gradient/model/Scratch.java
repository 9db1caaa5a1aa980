package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDScope;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.function.Supplier;

/**
 * Frees the intermediate arrays of a computation as soon as it ends, instead of with the whole
 * pass.
 */
final class Scratch {
  private Scratch() {}

  /**
   * Runs a computation and closes every array that it made except its result and those it {@link
   * #keep kept}.
   */
  static NDArray scoped(Supplier<NDArray> computation) {
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      return keep(computation.get());
    }
  }

  /** Runs a computation for its effects and closes every array that it made and did not keep. */
  static void run(Runnable computation) {
    try (NDScope scope = new NDScope()) {
      scope.suppressNotUsedWarning();
      computation.run();
    }
  }

  /**
   * x·factor, in memory that PyTorch owns. DJL's {@code mul(Number)} puts the factor in a Java
   * buffer and lets go of it at once; automatic differentiation reads it later, when the garbage
   * collector may have freed it.
   */
  static NDArray times(NDArray x, float factor) {
    return x.mul(x.getManager().full(new Shape(), factor, DataType.FLOAT32));
  }

  /** Lets an array outlive the innermost {@link #scoped} computation. */
  static NDArray keep(NDArray array) {
    NDScope.unregister(array);
    return array;
  }
}
