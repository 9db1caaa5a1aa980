package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import java.util.Locale;
import java.util.Optional;

/**
 * A convolution with a square kernel, as a linear layer over unfolded patches: (examples, patches,
 * channels·k²). Every output pixel has a patch.
 */
final class Convolution {
  private final int channels;
  private final int kernel;
  private final int stride;
  private final int padding;
  private final int inputSide;
  private final int outputSide;
  private final Linear linear;

  /**
   * The convolution whose parameters are {@code name.weight} (outputs, inputs, k, k) and {@code
   * name.bias}.
   *
   * @param config has {@code kernel_size}, {@code stride} and {@code padding}
   * @param side height and width of the input
   * @throws InvalidInput when the kernel does not fit the input
   */
  Convolution(
      ModelConfig config, Parameters parameters, String name, int inputs, int outputs, int side) {
    channels = inputs;
    kernel = config.positive("kernel_size");
    stride = config.positive("stride", 1);
    double pad = config.number("padding", 0);
    padding = (int) pad;
    inputSide = side;
    int room = side + 2 * padding - kernel;
    if (padding != pad || room < 0) {
      throw new InvalidInput(
          String.format(
              Locale.ROOT,
              "%s: %s: kernel_size %d and padding %s do not fit an image of %d pixels",
              config.origin(),
              name,
              kernel,
              pad,
              side));
    }
    outputSide = room / stride + 1;
    linear =
        new Linear(
            parameters.take(name + ".weight", outputs, inputs, kernel, kernel),
            Optional.of(parameters.take(name + ".bias", outputs)),
            Linear.Layout.OUT_IN);
  }

  int outputSide() {
    return outputSide;
  }

  Linear linear() {
    return linear;
  }

  /** (examples, channels·side²) to (examples, patches, channels·k²). */
  NDArray unfold(NDArray images) {
    long batch = images.getShape().get(0);
    NDArray padded =
        images
            .reshape(batch, channels, inputSide, inputSide)
            .pad(new Shape(padding, padding, padding, padding), 0);
    NDList taps = new NDList();
    for (int i = 0; i < kernel * kernel; i++) {
      taps.add(padded.get(tap(i)));
    }
    return NDArrays.stack(taps, 2)
        .reshape(batch, (long) channels * kernel * kernel, (long) outputSide * outputSide)
        .transpose(0, 2, 1);
  }

  /** The transpose of {@link #unfold}. */
  NDArray fold(NDArray patches) {
    long batch = patches.getShape().get(0);
    int padded = inputSide + 2 * padding;
    NDArray images = patches.getManager().zeros(new Shape(batch, channels, padded, padded));
    NDArray taps =
        patches
            .transpose(0, 2, 1)
            .reshape(batch, channels, (long) kernel * kernel, outputSide, outputSide);
    for (int i = 0; i < kernel * kernel; i++) {
      images.get(tap(i)).addi(taps.get(new NDIndex().addAllDim(2).addIndices(i)));
    }
    return images
        .get(
            new NDIndex()
                .addAllDim(2)
                .addSliceDim(padding, padding + inputSide)
                .addSliceDim(padding, padding + inputSide))
        .reshape(batch, -1);
  }

  /**
   * The pixels that one element of the kernel is multiplied with: (examples, channels, side, side).
   */
  private NDIndex tap(int element) {
    int row = element / kernel;
    int column = element % kernel;
    int span = (outputSide - 1) * stride + 1;
    return new NDIndex()
        .addAllDim(2)
        .addSliceDim(row, row + span, stride)
        .addSliceDim(column, column + span, stride);
  }
}
