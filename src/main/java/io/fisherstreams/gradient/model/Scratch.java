package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDScope;
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

  /** Lets an array outlive the innermost {@link #scoped} computation. */
  static NDArray keep(NDArray array) {
    NDScope.unregister(array);
    return array;
  }
}
