package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.pytorch.engine.PtNDArray;
import ai.djl.pytorch.jni.JniUtils;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Supplier;

/**
 * Squared gradients by PyTorch's automatic differentiation: one forward pass per example and one
 * backward pass per direction. It is exact for any model, and slow. Models without rules of their
 * own (TorchScript) use it, and tests compare the fast implementation with it.
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
  private final List<LoadedParameter> parameters;
  private final Memory memory;
  private final Output output;

  /**
   * Where the passes' arrays are.
   *
   * @param manager owns them
   * @param compute its device
   * @param owner of everything native, closed with the runtime
   */
  record Memory(NDManager manager, Compute compute, AutoCloseable owner) {
    static Memory of(Parameters parameters) {
      return new Memory(parameters.manager(), parameters.compute(), parameters);
    }
  }

  /**
   * A runtime over some function.
   *
   * @param output what the function's results mean
   * @param parameters the parameters that gradients are computed for
   */
  PlainLoopRuntime(
      Output output, Forward forward, List<LoadedParameter> parameters, Memory memory) {
    this.output = output;
    this.forward = forward;
    this.parameters = parameters;
    this.memory = memory;
    parameters.forEach(parameter -> parameter.value().setRequiresGradient(true));
  }

  /** The plain loop over a network's forward pass. */
  static PlainLoopRuntime of(Network network, Parameters parameters) {
    return new PlainLoopRuntime(
        network.output(), network::logits, parameters.finish(), Memory.of(parameters));
  }

  @Override
  public Output output() {
    return output;
  }

  @Override
  public Compute compute() {
    return memory.compute;
  }

  @Override
  public List<TensorInfo> parameters() {
    return parameters.stream().map(LoadedParameter::info).toList();
  }

  @Override
  public boolean sparse(String parameter) {
    return false;
  }

  @Override
  public ForwardPass forward(List<Example> batch) {
    return recording(true, () -> new Pass(memory.manager.newSubManager(), batch));
  }

  /** Runs all examples at once, without recording. */
  @Override
  public float[] logits(List<Example> batch) {
    return recording(
        false,
        () -> {
          try (NDManager scope = memory.manager.newSubManager()) {
            return forward.logits(scope, batch).toFloatArray();
          }
        });
  }

  /** Runs a computation with or without recording it for differentiation. */
  static <T> T recording(boolean wanted, Supplier<T> computation) {
    boolean before = JniUtils.isGradMode();
    JniUtils.setGradMode(wanted);
    try {
      return computation.get();
    } finally {
      JniUtils.setGradMode(before);
    }
  }

  /** Adds a parameter's gradient squared, and sets the gradient to zero. */
  static void add(LoadedParameter parameter, SquaredSums sums) {
    try (NDArray gradient = parameter.value().getGradient()) {
      sums.dense(parameter).addSquareInPlace(gradient);
    }
    JniUtils.zeroGrad((PtNDArray) parameter.value());
  }

  @Override
  public void close() {
    try {
      memory.owner.close();
    } catch (Exception e) {
      throw new IllegalStateException("closing the model failed", e);
    }
  }

  /** One forward pass per example; its graph is used for all directions of the example. */
  private final class Pass implements ForwardPass {
    private final NDManager scope;
    private final List<NDArray> outputs = new ArrayList<>();

    Pass(NDManager scope, List<Example> batch) {
      this.scope = scope;
      try {
        for (Example example : batch) {
          outputs.add(forward.logits(scope, List.of(example)));
        }
      } catch (RuntimeException e) {
        scope.close();
        throw e;
      }
    }

    @Override
    public float[] logits() {
      int classes = Math.toIntExact(outputs.get(0).getShape().get(1));
      float[] logits = new float[outputs.size() * classes];
      for (int i = 0; i < outputs.size(); i++) {
        System.arraycopy(outputs.get(i).toFloatArray(), 0, logits, i * classes, classes);
      }
      return logits;
    }

    @Override
    public void addSquaredGradients(Cotangents directions, SquaredSums sums) {
      NDArray one = scope.create(1f);
      for (int i = 0; i < directions.count(); i++) {
        differentiate(outputs.get(directions.examples()[i]), directions.values()[i], one);
        if (directions.squaring() == Squaring.EACH || i == directions.count() - 1) {
          recording(
              false,
              () -> {
                parameters.forEach(parameter -> add(parameter, sums));
                return null;
              });
        }
      }
    }

    /** A backward pass, which adds to the parameters' gradients. */
    private void differentiate(NDArray output, float[] direction, NDArray one) {
      recording(
          true,
          () -> {
            NDArray d = scope.create(new float[][] {direction});
            NDArray target = output.mul(d).sum();
            JniUtils.backward((PtNDArray) target, (PtNDArray) one, true, false);
            return null;
          });
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
