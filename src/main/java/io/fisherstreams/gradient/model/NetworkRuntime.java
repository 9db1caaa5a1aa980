package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.example.Example;
import java.util.List;

/** Runs a {@link Network}: one batched forward pass, and one batched backward pass. */
final class NetworkRuntime extends BatchedRuntime {
  private final Network network;

  /** Owns the parameters from now on, and closes them. */
  NetworkRuntime(Network network, Parameters parameters) {
    super(parameters, network.embeddings());
    this.network = network;
  }

  @Override
  public Output output() {
    return network.output();
  }

  @Override
  public void requireInputs(Example example) {
    network.requireInputs(example);
  }

  @Override
  public ForwardPass forward(List<Example> batch) {
    return inScope(scope -> new Pass(scope, network.forward(scope, batch), batch.size()));
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
