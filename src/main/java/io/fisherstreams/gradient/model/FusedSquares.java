package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.Map;

/**
 * Sums of squares in the host's memory. Gradients are formed, squared and added together by {@link
 * SquaredProducts}, which takes little longer than forming them alone.
 */
final class FusedSquares extends DenseSquares {
  private final SquaredProducts products;

  /** Sums of zero examples. */
  FusedSquares(NDManager manager, SquaredProducts products, TensorInfo parameter) {
    super(manager, Precision.FLOAT32, CACHED_ELEMENTS, parameter);
    this.products = products;
  }

  @Override
  void addBlock(int firstRow, NDArray left, NDArray right, int[] starts) {
    int height = Math.toIntExact(left.getShape().get(1));
    int[] first = Arrays.copyOf(starts, starts.length - 1);
    int[] count = new int[first.length];
    Arrays.setAll(count, i -> starts[i + 1] - starts[i]);
    products.add(
        HostFloats.of(sum()).slice(firstRow * columns(), height * columns()),
        new SquaredProducts.Operand(HostFloats.of(left), height, first),
        new SquaredProducts.Operand(HostFloats.of(right), columns(), first),
        count);
  }

  @Override
  void addSquaredProducts(
      NDArray left, NDArray right, boolean leftIsActivation, Backward backward) {
    int length = Math.toIntExact(left.getShape().get(1));
    int directions = backward.directions();
    int[] ofExample = new int[directions];
    int[] ofDirection = new int[directions];
    int[] count = new int[directions];
    for (int direction = 0; direction < directions; direction++) {
      int example = backward.example(direction);
      int from = backward.ranges().from()[example];
      ofExample[direction] = example * length + from;
      ofDirection[direction] = direction * length + from;
      count[direction] = Math.min(backward.ranges().to()[example], length) - from;
    }
    beforeAdding(directions);
    products.add(
        HostFloats.of(sum()),
        new SquaredProducts.Operand(
            HostFloats.of(left), rows(), leftIsActivation ? ofExample : ofDirection),
        new SquaredProducts.Operand(
            HostFloats.of(right), columns(), leftIsActivation ? ofDirection : ofExample),
        count);
  }

  @Override
  void addRowSquares(Map<Integer, float[]> gradients) {
    beforeAdding(1);
    FloatBuffer values = HostFloats.of(sum());
    gradients.forEach(
        (row, gradient) -> {
          int start = row * columns();
          for (int i = 0; i < columns(); i++) {
            values.put(start + i, values.get(start + i) + gradient[i] * gradient[i]);
          }
        });
  }

  @Override
  void copy(long firstElement, float[] target, int offset, int elements) {
    view(sum(), firstElement, elements).get(target, offset, elements);
    if (folded() != null) {
      FloatBuffer second = view(folded(), firstElement, elements);
      for (int i = 0; i < elements; i++) {
        target[offset + i] += second.get(i);
      }
    }
  }

  private static FloatBuffer view(NDArray array, long firstElement, int elements) {
    return HostFloats.of(array).slice(Math.toIntExact(firstElement), elements);
  }
}
