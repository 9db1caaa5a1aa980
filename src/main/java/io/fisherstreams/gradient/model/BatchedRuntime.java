package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDManager;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Function;

/** What the runtimes of built-in architectures share: parameters, and passes over whole batches. */
abstract class BatchedRuntime implements ModelRuntime {
  // Directions of one backward pass, even when the batch has fewer examples: enough rows for
  // full-speed matrix products.
  static final int MIN_DIRECTIONS = 8;

  private final Parameters parameters;
  private final List<TensorInfo> estimated;
  private final Set<String> embeddings;

  /**
   * Owns the parameters from now on, and closes them.
   *
   * @param embeddings tables of which an example touches a few rows only
   */
  BatchedRuntime(Parameters parameters, Set<String> embeddings) {
    this.parameters = parameters;
    this.estimated = parameters.finish().stream().map(LoadedParameter::info).toList();
    this.embeddings = embeddings;
  }

  @Override
  public final Compute compute() {
    return parameters.compute();
  }

  @Override
  public final Optional<String> note() {
    return parameters.note();
  }

  @Override
  public final List<TensorInfo> parameters() {
    return estimated;
  }

  @Override
  public final boolean sparse(String parameter) {
    return embeddings.contains(parameter);
  }

  /** Makes a pass that owns the scope, which is closed when it cannot be made. */
  final <P> P inScope(Function<NDManager, P> pass) {
    NDManager scope = parameters.manager().newSubManager();
    try {
      return pass.apply(scope);
    } catch (RuntimeException e) {
      scope.close();
      throw e;
    }
  }

  @Override
  public final void close() {
    parameters.close();
  }
}
