package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import io.fisherstreams.gradient.device.Precision;
import java.util.Optional;

/** y = x·W + b on the last dimension. */
final class Linear {
  /** The order of the weight's dimensions in the checkpoint. */
  enum Layout {
    /** (inputs, outputs), as GPT-2's Conv1D. */
    IN_OUT,
    /** (outputs, inputs…), as PyTorch's Linear and, over unfolded patches, its convolutions. */
    OUT_IN
  }

  private final LoadedParameter weight;
  private final Optional<LoadedParameter> bias;
  private final Layout layout;

  Linear(LoadedParameter weight, Optional<LoadedParameter> bias, Layout layout) {
    this.weight = weight;
    this.bias = bias;
    this.layout = layout;
  }

  /** The layer whose parameters are {@code name.weight} and {@code name.bias}. */
  static Linear of(Parameters parameters, String name, int inputs, int outputs, Layout layout) {
    return new Linear(
        unbiased(parameters, name, inputs, outputs, layout).weight,
        Optional.of(parameters.take(name + ".bias", outputs)),
        layout);
  }

  /** The layer whose parameter is {@code name.weight}, without a bias. */
  static Linear unbiased(
      Parameters parameters, String name, int inputs, int outputs, Layout layout) {
    LoadedParameter weight =
        layout == Layout.IN_OUT
            ? parameters.take(name + ".weight", inputs, outputs)
            : parameters.take(name + ".weight", outputs, inputs);
    return new Linear(weight, Optional.empty(), layout);
  }

  /** The layer with PyTorch's layout, with a bias or without. */
  static Linear of(Parameters parameters, String name, int inputs, int outputs, boolean biased) {
    return biased
        ? of(parameters, name, inputs, outputs, Layout.OUT_IN)
        : unbiased(parameters, name, inputs, outputs, Layout.OUT_IN);
  }

  /** (…, inputs) to (…, outputs). */
  NDArray forward(NDArray x) {
    return precision().linear(x, outputsFirst(), bias.map(LoadedParameter::value).orElse(null));
  }

  /**
   * Adds the squared gradients of weight and bias.
   *
   * @param x the input, (examples, rows, inputs)
   * @param d the output's gradients, (directions, rows, outputs)
   */
  void addSquares(NDArray x, NDArray d, Backward backward) {
    addWeightSquares(x, d, backward);
    if (bias.isPresent()) {
      addBiasSquares(d.sum(new int[] {1}), backward);
    }
  }

  /** Adds the squared gradients of the weight alone. */
  void addWeightSquares(NDArray x, NDArray d, Backward backward) {
    if (layout == Layout.IN_OUT) {
      backward.addMatrixSquares(weight, x, d, true);
    } else {
      backward.addMatrixSquares(weight, d, x, false);
    }
  }

  /**
   * Adds the squared gradients of the bias, if there is one.
   *
   * @param gradients the output's gradients summed over rows, (directions, outputs)
   */
  void addBiasSquares(NDArray gradients, Backward backward) {
    bias.ifPresent(parameter -> backward.addSquares(parameter, gradients));
  }

  /** The input's gradients: (directions, rows, outputs) to (directions, rows, inputs). */
  NDArray inputGradient(NDArray d) {
    return precision().product(d, outputsFirst());
  }

  /** Of the layer's matrix products. */
  Precision precision() {
    return weight.precision();
  }

  private NDArray outputsFirst() {
    NDArray value = weight.value();
    if (layout == Layout.IN_OUT) {
      return value.transpose();
    }
    return value.getShape().dimension() == 2 ? value : value.reshape(value.getShape().get(0), -1);
  }
}
