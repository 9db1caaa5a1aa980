package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;

/** y = γ·x̂ with x̂ = x / √(mean(x²) + ε) over the last dimension (Zhang and Sennrich 2019). */
final class RmsNorm implements Norm {
  private final LoadedParameter gamma;
  private final float epsilon;

  private RmsNorm(LoadedParameter gamma, float epsilon) {
    this.gamma = gamma;
    this.epsilon = epsilon;
  }

  /**
   * The layer whose parameter is {@code name.weight} (γ).
   *
   * @param width elements of the last dimension
   */
  static RmsNorm of(Parameters parameters, String name, int width, float epsilon) {
    return new RmsNorm(parameters.take(name + ".weight", width), epsilon);
  }

  @Override
  public Layer.Pass forward(NDArray x) {
    NDArray root = x.square().mean(new int[] {2}, true).add(epsilon).sqrt();
    NDArray normalized = keep(x.div(root));
    return new Pass(normalized, keep(root), normalized.mul(gamma.value()));
  }

  private final class Pass implements Layer.Pass {
    private final NDArray normalized;
    private final NDArray root;
    private final NDArray output;

    Pass(NDArray normalized, NDArray root, NDArray output) {
      this.normalized = normalized;
      this.root = root;
      this.output = output;
    }

    @Override
    public NDArray output() {
      return output;
    }

    @Override
    public NDArray backward(NDArray d, Backward backward) {
      NDArray xHat = backward.byDirection(normalized);
      backward.addRowSumSquares(gamma, d.mul(xHat));
      NDArray scaled = d.mul(gamma.value());
      NDArray alongX = scaled.mul(xHat).mean(new int[] {2}, true);
      return scaled.subi(xHat.mul(alongX)).divi(backward.byDirection(root));
    }
  }
}
