package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import java.util.List;
import java.util.Locale;

/**
 * The embedding of an image's patches in row order behind a class embedding, plus the positions'.
 *
 * <p>Input: {@code pixel_values} (channels, image_size, image_size), normalised.
 */
final class PatchEmbedding {
  private final Size size;
  private final LoadedParameter classEmbedding;
  private final Linear projection;
  private final LoadedParameter positions;

  /**
   * Sizes in pixels and patches.
   *
   * @param channels of an image
   * @param image height and width of an image
   * @param patch height and width of a patch
   * @param side patches in a row
   */
  record Size(int channels, int image, int patch, int side) {

    /**
     * Reads {@code num_channels}, {@code image_size} and {@code patch_size}.
     *
     * @param patchByDefault the architecture's default patch size
     */
    static Size of(ModelConfig config, int patchByDefault) {
      int image = config.positive("image_size", 224);
      int patch = config.positive("patch_size", patchByDefault);
      if (image < patch) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "%s: patch_size %d is larger than image_size %d",
                config.origin(),
                patch,
                image));
      }
      return new Size(config.positive("num_channels", 3), image, patch, image / patch);
    }

    /** Rejects an example without an image of this size. */
    InputTensor pixels(Example example) {
      List<Long> expected = List.of((long) channels, (long) image, (long) image);
      InputTensor input = example.input("pixel_values");
      if (!input.shape().equals(expected) || !input.dtype().mergeable()) {
        throw example.invalid(
            "pixel_values: expected floating values of shape %s, found %s %s"
                .formatted(expected, input.dtype(), input.shape()));
      }
      return input;
    }

    /** Rows of an embedded image: the class and the patches. */
    int rows() {
      return side * side + 1;
    }
  }

  /**
   * An embedding of these parameters.
   *
   * @param classEmbedding the elements of one row
   * @param projection from a flattened patch to a row
   * @param positions {@link Size#rows} rows
   */
  PatchEmbedding(
      Size size, LoadedParameter classEmbedding, Linear projection, LoadedParameter positions) {
    this.size = size;
    this.classEmbedding = classEmbedding;
    this.projection = projection;
    this.positions = positions;
  }

  Size size() {
    return size;
  }

  /** Rejects an example without an image of the right size. */
  InputTensor pixels(Example example) {
    return size.pixels(example);
  }

  /** Embeds a batch's images. */
  Pass forward(NDManager scope, List<Example> batch) {
    return new Pass(scope, batch);
  }

  /** One batch. */
  final class Pass {
    private final NDArray patches;
    private final NDArray output;

    private Pass(NDManager scope, List<Example> batch) {
      NDArray pixels = pixels(scope, batch);
      patches = Scratch.scoped(() -> unfold(pixels));
      output =
          Scratch.scoped(
              () -> {
                // Created from the scope: a result belongs to its first operand's manager.
                NDArray first =
                    scope
                        .ones(new Shape(batch.size(), 1, 1))
                        .mul(classEmbedding.value().reshape(1, 1, -1));
                NDList rows = new NDList(first, projection.forward(patches));
                return NDArrays.concat(rows, 1).add(positions.value().reshape(1, size.rows(), -1));
              });
    }

    /** (examples, rows, width). */
    NDArray output() {
      return output;
    }

    /** 1 at the class's row: (examples, 1, rows). */
    NDArray selectClass() {
      float[] first = new float[size.rows()];
      first[0] = 1;
      return output
          .getManager()
          .create(first, new Shape(1, 1, first.length))
          .repeat(0, output.getShape().get(0));
    }

    /**
     * Adds the squared gradients of all parameters.
     *
     * @param d the output's gradients, (directions, rows, width)
     */
    void backward(NDArray d, Backward backward) {
      backward.addSquares(positions, d);
      backward.addSquares(classEmbedding, d.get(new NDIndex().addAllDim().addIndices(0)));
      projection.addSquares(
          patches, d.get(new NDIndex().addAllDim().addSliceDim(1, size.rows())), backward);
    }

    /** (examples, channels, image size, image size). */
    private NDArray pixels(NDManager scope, List<Example> batch) {
      int elements = size.channels * size.image * size.image;
      float[] pixels = new float[batch.size() * elements];
      for (int i = 0; i < batch.size(); i++) {
        PatchEmbedding.this.pixels(batch.get(i)).toFloats(pixels, i * elements);
      }
      return scope.create(pixels, new Shape(batch.size(), size.channels, size.image, size.image));
    }

    /** Non-overlapping patches, each flattened as a convolution's kernel is. */
    private NDArray unfold(NDArray pixels) {
      int covered = size.side * size.patch;
      return pixels
          .get(new NDIndex().addAllDim(2).addSliceDim(0, covered).addSliceDim(0, covered))
          .reshape(-1, size.channels, size.side, size.patch, size.side, size.patch)
          .transpose(0, 2, 4, 1, 3, 5)
          .reshape(
              pixels.getShape().get(0),
              (long) size.side * size.side,
              (long) size.channels * size.patch * size.patch);
    }
  }
}
