package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.fisherstreams.checkpoint.TensorInfo;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import java.util.Arrays;
import java.util.List;

/**
 * Squared gradients by PyTorch's automatic differentiation: a forward pass an example and a
 * backward pass a direction. Exact for any model, and slow; it serves models without rules of their
 * own (TorchScript), and the fast road is held against it.
 */
final class PlainLoopRuntime implements ModelRuntime {

  /** A differentiable function from examples to logits. */
  interface Forward {
    /**
     * Logits, (examples, classes), recorded for differentiation.
     *
     * @param scope owns the arrays
     */
    NDArray logits(NDManager scope, List<Example> batch);
  }

  private final Forward forward;
  private final List<Parameter> parameters;
  private final NDManager manager;
  private final AutoCloseable owner;

  /**
   * A runtime over some function.
   *
   * @param parameters what gradients are taken for
   * @param manager owns the passes' arrays
   * @param owner of everything native, closed with the runtime
   */
  PlainLoopRuntime(
      Forward forward, List<Parameter> parameters, NDManager manager, AutoCloseable owner) {
    this.forward = forward;
    this.parameters = parameters;
    this.manager = manager;
    this.owner = owner;
    parameters.forEach(parameter -> parameter.value().setRequiresGradient(true));
  }

  /** The plain loop over a network's forward pass. */
  static PlainLoopRuntime of(Network network, Parameters parameters) {
    return new PlainLoopRuntime(
        (scope, batch) -> network.forward(scope, batch).logits(),
        parameters.finish(),
        parameters.manager(),
        parameters);
  }

  @Override
  public List<TensorInfo> parameters() {
    return parameters.stream().map(Parameter::info).toList();
  }

  @Override
  public boolean sparse(String parameter) {
    return false;
  }

  @Override
  public ForwardPass forward(List<Example> batch) {
    boolean recording = JniUtils.isGradMode();
    JniUtils.setGradMode(false);
    try (NDManager scope = manager.newSubManager()) {
      return new Pass(batch, forward.logits(scope, batch).toFloatArray());
    } finally {
      JniUtils.setGradMode(recording);
    }
  }

  @Override
  public void close() {
    try {
      owner.close();
    } catch (Exception e) {
      throw new IllegalStateException("closing the model failed", e);
    }
  }

  private final class Pass implements ForwardPass {
    private final List<Example> batch;
    private final float[] logits;

    Pass(List<Example> batch, float[] logits) {
      this.batch = batch;
      this.logits = logits;
    }

    @Override
    public float[] logits() {
      return logits;
    }

    @Override
    public void addSquaredGradients(Cotangents directions, SquaredSums sums) {
      if (directions.squaring() == Squaring.TOTAL) {
        float[][] values = new float[batch.size()][];
        for (int i = 0; i < directions.count(); i++) {
          values[directions.examples()[i]] = directions.values()[i];
        }
        differentiate(batch, List.<float[][]>of(values), sums);
        return;
      }
      for (int from = 0; from < directions.count(); ) {
        int example = directions.examples()[from];
        int to = from;
        while (to < directions.count() && directions.examples()[to] == example) {
          to++;
        }
        List<float[][]> ofExample =
            Arrays.stream(directions.values(), from, to)
                .map(value -> new float[][] {value})
                .toList();
        differentiate(List.of(batch.get(example)), ofExample, sums);
        from = to;
      }
    }

    /** One forward pass, and one backward pass for each of the directions. */
    private void differentiate(
        List<Example> examples, List<float[][]> directions, SquaredSums sums) {
      boolean recording = JniUtils.isGradMode();
      JniUtils.setGradMode(true);
      try (NDManager scope = manager.newSubManager()) {
        NDArray output = forward.logits(scope, examples);
        NDArray one = scope.create(1f);
        for (int i = 0; i < directions.size(); i++) {
          NDArray d = scope.create(directions.get(i));
          NDArray target = output.mul(d).sum();
          boolean keepGraph = i < directions.size() - 1;
          JniUtils.backward((PtNDArray) target, (PtNDArray) one, keepGraph, false);
          parameters.forEach(parameter -> add(parameter, sums));
        }
      } finally {
        JniUtils.setGradMode(recording);
      }
    }

    private void add(Parameter parameter, SquaredSums sums) {
      JniUtils.setGradMode(false);
      try (NDArray gradient = parameter.value().getGradient()) {
        sums.dense(parameter).addSquareInPlace(gradient);
      }
      JniUtils.zeroGrad((PtNDArray) parameter.value());
      JniUtils.setGradMode(true);
    }

    @Override
    public void close() {
      // Nothing is kept between the passes.
    }
  }
}
