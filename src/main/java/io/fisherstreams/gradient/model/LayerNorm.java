package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.types.Shape;

/** y = γ·x̂ + β with x̂ = (x − mean) / √(variance + ε) over the last dimension. */
final class LayerNorm implements Norm {
  private final LoadedParameter gamma;
  private final LoadedParameter beta;
  private final float epsilon;

  private LayerNorm(LoadedParameter gamma, LoadedParameter beta, float epsilon) {
    this.gamma = gamma;
    this.beta = beta;
    this.epsilon = epsilon;
  }

  /**
   * The layer whose parameters are {@code name.weight} (γ) and {@code name.bias} (β), or, as in old
   * files, {@code name.gamma} and {@code name.beta}.
   *
   * @param width elements of the last dimension
   */
  static LayerNorm of(Parameters parameters, String name, int width, float epsilon) {
    return new LayerNorm(
        parameters.take(present(parameters, name, ".weight", ".gamma"), width),
        parameters.take(present(parameters, name, ".bias", ".beta"), width),
        epsilon);
  }

  private static String present(Parameters parameters, String name, String end, String oldEnd) {
    boolean old = !parameters.has(name + end) && parameters.has(name + oldEnd);
    return name + (old ? oldEnd : end);
  }

  @Override
  public Pass forward(NDArray x) {
    Shape normalized = gamma.value().getShape();
    NDArray y =
        ai.djl.nn.norm.LayerNorm.layerNorm(x, normalized, gamma.value(), beta.value(), epsilon)
            .singletonOrThrow();
    return new Pass(x, y);
  }

  /** One application. Values that only gradients need are computed at the first backward pass. */
  final class Pass implements Layer.Pass {
    private final NDArray x;
    private final NDArray output;
    private NDArray normalized;
    private NDArray inverseDeviation;

    private Pass(NDArray x, NDArray output) {
      this.x = x;
      this.output = output;
    }

    @Override
    public NDArray output() {
      return output;
    }

    /**
     * Adds the squared gradients of γ and β, and returns the input's gradients.
     *
     * @param d (directions, rows, width)
     */
    @Override
    public NDArray backward(NDArray d, Backward backward) {
      if (normalized == null) {
        int[] last = {x.getShape().dimension() - 1};
        NDArray centred = x.sub(x.mean(last, true));
        inverseDeviation = keep(centred.square().mean(last, true).add(epsilon).pow(-0.5f));
        normalized = keep(centred.mul(inverseDeviation));
      }
      NDArray xHat = backward.byDirection(normalized);
      backward.addRowSumSquares(gamma, d.mul(xHat));
      backward.addRowSumSquares(beta, d);
      NDArray scaled = d.mul(gamma.value());
      int[] last = {2};
      NDArray alongMean = scaled.mean(last, true);
      NDArray alongX = scaled.mul(xHat).mean(last, true);
      return scaled
          .subi(alongMean)
          .subi(xHat.mul(alongX))
          .muli(backward.byDirection(inverseDeviation));
    }
  }
}
