package io.fisherstreams.tensor;

import java.util.List;

/**
 * A named tensor's type and shape.
 *
 * @param name the parameter's name, as the checkpoint spells it
 * @param dtype the element type
 * @param shape sizes per dimension, row-major; empty for a scalar; a size may be 0
 */
public record TensorInfo(String name, DType dtype, List<Long> shape) {
  /**
   * Rejects a negative size with {@link IllegalArgumentException}, and an element or byte count
   * beyond a {@code long} with {@link ArithmeticException}.
   */
  public TensorInfo {
    shape = List.copyOf(shape);
    long elements = 1;
    for (long size : shape) {
      if (size < 0) {
        throw new IllegalArgumentException("negative size in shape " + shape);
      }
      // A zero elsewhere in the shape must not hide an overflow: other readers multiply in another
      // order.
      elements = Math.multiplyExact(elements, Math.max(size, 1));
    }
    Math.multiplyExact(elements, dtype.bytes());
  }

  /** Number of elements; 1 for a scalar. */
  public long elements() {
    long elements = 1;
    for (long size : shape) {
      elements *= size;
    }
    return elements;
  }

  /** Number of bytes of all elements. */
  public long bytes() {
    return elements() * dtype.bytes();
  }
}
