package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;

/** down(f(up x)), or, with a gate, down(f(gate x) · (up x)). */
final class Mlp implements Layer {
  private final Linear gate;
  private final Linear up;
  private final Activation activation;
  private final Linear down;

  /**
   * An MLP of these layers.
   *
   * @param gate null for none
   */
  Mlp(Linear gate, Linear up, Activation activation, Linear down) {
    this.gate = gate;
    this.up = up;
    this.activation = activation;
    this.down = down;
  }

  @Override
  public Layer.Pass forward(NDArray x, Attending attending) {
    NDArray preActivation = keep((gate == null ? up : gate).forward(x));
    NDArray activated = keep(activation.apply(preActivation));
    if (gate == null) {
      return new Plain(x, preActivation, activated);
    }
    NDArray factor = keep(up.forward(x));
    return new Gated(x, preActivation, activated, factor, keep(activated.mul(factor)));
  }

  private final class Plain implements Layer.Pass {
    private final NDArray x;
    private final NDArray preActivation;
    private final NDArray activated;
    private final NDArray output;
    private NDArray slope;

    Plain(NDArray x, NDArray preActivation, NDArray activated) {
      this.x = x;
      this.preActivation = preActivation;
      this.activated = activated;
      this.output = down.forward(activated);
    }

    @Override
    public NDArray output() {
      return output;
    }

    @Override
    public NDArray backward(NDArray d, Backward backward) {
      if (slope == null) {
        slope = Scratch.scoped(() -> activation.derivative(preActivation));
      }
      down.addSquares(activated, d, backward);
      NDArray dUp = down.inputGradient(d).muli(backward.byDirection(slope));
      up.addSquares(x, dUp, backward);
      return up.inputGradient(dUp);
    }
  }

  private final class Gated implements Layer.Pass {
    private final NDArray x;
    private final NDArray preActivation;
    private final NDArray activated;
    private final NDArray factor;
    private final NDArray product;
    private final NDArray output;
    private NDArray slope;

    Gated(NDArray x, NDArray preActivation, NDArray activated, NDArray factor, NDArray product) {
      this.x = x;
      this.preActivation = preActivation;
      this.activated = activated;
      this.factor = factor;
      this.product = product;
      this.output = down.forward(product);
    }

    @Override
    public NDArray output() {
      return output;
    }

    @Override
    public NDArray backward(NDArray d, Backward backward) {
      if (slope == null) {
        slope = Scratch.scoped(() -> activation.derivative(preActivation).muli(factor));
      }
      down.addSquares(product, d, backward);
      NDArray dProduct = down.inputGradient(d);
      NDArray dUp = dProduct.mul(backward.byDirection(activated));
      up.addSquares(x, dUp, backward);
      NDArray dGate = dProduct.muli(backward.byDirection(slope));
      gate.addSquares(x, dGate, backward);
      return up.inputGradient(dUp).addi(gate.inputGradient(dGate));
    }
  }
}
