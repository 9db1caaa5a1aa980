package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/** Runs a {@link Network}: one batched forward pass, and one batched backward pass. */
final class NetworkRuntime implements ModelRuntime {
  // Directions of one backward pass, even when the batch has fewer examples: enough rows for
  // full-speed matrix products.
  private static final int MIN_DIRECTIONS = 8;

  private final Network network;
  private final Parameters parameters;
  private final List<TensorInfo> estimated;
  private final Set<String> embeddings;

  /** Owns the parameters from now on, and closes them. */
  NetworkRuntime(Network network, Parameters parameters) {
    this.network = network;
    this.parameters = parameters;
    this.estimated = parameters.finish().stream().map(LoadedParameter::info).toList();
    this.embeddings = network.embeddings();
  }

  @Override
  public Output output() {
    return network.output();
  }

  @Override
  public Optional<String> note() {
    return parameters.note();
  }

  @Override
  public List<TensorInfo> parameters() {
    return estimated;
  }

  @Override
  public boolean sparse(String parameter) {
    return embeddings.contains(parameter);
  }

  @Override
  public void requireInputs(Example example) {
    network.requireInputs(example);
  }

  @Override
  public ForwardPass forward(List<Example> batch) {
    NDManager scope = parameters.manager().newSubManager();
    try {
      return new Pass(scope, network.forward(scope, batch), batch.size());
    } catch (RuntimeException e) {
      scope.close();
      throw e;
    }
  }

  @Override
  public void close() {
    parameters.close();
  }

  private static final class Pass implements ForwardPass {
    private final NDManager scope;
    private final Network.Pass pass;
    private final int batch;

    Pass(NDManager scope, Network.Pass pass, int batch) {
      this.scope = scope;
      this.pass = pass;
      this.batch = batch;
    }

    @Override
    public float[] logits() {
      return pass.logits().toFloatArray();
    }

    @Override
    public void addSquaredGradients(Cotangents directions, SquaredSums sums) {
      if (directions.squaring() == Cotangents.Squaring.TOTAL) {
        walk(directions, sums);
        return;
      }
      Cotangents rounds = directions.inRounds(batch);
      int together = Math.max(batch, MIN_DIRECTIONS);
      for (int from = 0; from < rounds.count(); from += together) {
        walk(rounds.range(from, Math.min(rounds.count(), from + together)), sums);
      }
    }

    private void walk(Cotangents directions, SquaredSums sums) {
      int classes = directions.values()[0].length;
      float[] flat = new float[directions.count() * classes];
      for (int i = 0; i < directions.count(); i++) {
        System.arraycopy(directions.values()[i], 0, flat, i * classes, classes);
      }
      try (NDManager walk = scope.newSubManager()) {
        NDArray d = walk.create(flat, new Shape(directions.count(), 1, classes));
        pass.backward(d, new Backward(walk, batch, directions, pass.ranges(), sums));
      }
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
