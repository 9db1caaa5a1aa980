package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Map;

/**
 * Σ over examples of the squared gradients of one dense parameter, which is treated as a matrix
 * with shape[0] rows.
 *
 * <p>At most {@value #FOLD_AFTER} terms are added to a first float32 sum before that sum is folded
 * into a second one. So rounding errors grow with {@value #FOLD_AFTER} + n/{@value #FOLD_AFTER}
 * instead of n additions. The second sum is allocated at the first fold; until then the memory is
 * one float32 per element.
 */
final class DenseSquares {
  static final int FOLD_AFTER = 1024;

  // A product of 1.5 MiB stays in cache between the product, its squaring and its addition.
  private static final int TILE_ELEMENTS = 393_216;

  private final NDManager manager;
  private final SquaredProducts products;
  private final NDArray sum;
  private final int rows;
  private final int columns;
  private NDArray folded;
  private int additions;

  DenseSquares(NDManager manager, SquaredProducts products, TensorInfo parameter) {
    this.manager = manager;
    this.products = products;
    this.rows = parameter.shape().isEmpty() ? 1 : Math.toIntExact(parameter.shape().get(0));
    this.columns = rows == 0 ? 0 : Math.toIntExact(parameter.elements() / rows);
    this.sum = manager.zeros(new Shape(rows, columns), DataType.FLOAT32);
  }

  /**
   * Adds the squares of leftᵀ·right, element by element: a linear layer's weight gradient over the
   * rows (tokens) of one example, formed and squared tile by tile.
   *
   * @param left (tokens, rows of the parameter)
   * @param right (tokens, columns of the parameter)
   */
  void addSquaredProduct(NDArray left, NDArray right) {
    beforeAdding(1);
    addTiles(0, rows, left, right);
  }

  private void addTiles(int firstRow, int height, NDArray left, NDArray right) {
    int fitting = Math.max(1, TILE_ELEMENTS / Math.max(1, columns));
    int step = fitting > 16 ? fitting / 16 * 16 : fitting;
    for (int from = 0; from < height; from += step) {
      int to = Math.min(height, from + step);
      try (NDArray part = left.get(NDIndex.sliceAxis(1, from, to));
          NDArray transposed = part.transpose();
          NDArray gradient = transposed.matMul(right);
          NDArray tile = sum.get(NDIndex.sliceAxis(0, firstRow + from, firstRow + to))) {
        gradient.muli(gradient);
        tile.addi(gradient);
      }
    }
  }

  /**
   * Adds the squares of leftᵀ·right to some rows of the parameter, for one example. Blocks of rows
   * come in order and together make up the parameter.
   *
   * @param firstRow the block's first row
   * @param left (tokens, rows of the block)
   * @param right (tokens, columns of the parameter)
   */
  void addSquaredProduct(int firstRow, NDArray left, NDArray right) {
    if (firstRow == 0) {
      beforeAdding(1);
    }
    int height = Math.toIntExact(left.getShape().get(1));
    int tokens = Math.toIntExact(left.getShape().get(0));
    if (tokens == 1) {
      try (NDArray leftSquares = left.square();
          NDArray column = leftSquares.transpose();
          NDArray rightSquares = right.square();
          NDArray product = column.matMul(rightSquares);
          NDArray block = sum.get(NDIndex.sliceAxis(0, firstRow, firstRow + height))) {
        block.addi(product);
      }
      return;
    }
    if (SquaredProducts.isUsable() && !sum.getDevice().isGpu()) {
      int[] first = {0};
      products.add(
          floats(sum).slice(firstRow * columns, height * columns),
          new SquaredProducts.Operand(floats(left), height, first),
          new SquaredProducts.Operand(floats(right), columns, first),
          new int[] {tokens});
      return;
    }
    addTiles(firstRow, height, left, right);
  }

  /**
   * Does what {@link #addSquaredProduct} does for several examples. Where the processor's vectors
   * can be used, forming, squaring and adding together take little longer than forming alone.
   *
   * @param left (all rows, rows of the parameter)
   * @param leftFirst for each example, its first row in left
   * @param right (all rows, columns of the parameter)
   * @param rightFirst for each example, its first row in right
   * @param count for each example, how many rows it has
   */
  void addSquaredProducts(
      NDArray left, int[] leftFirst, NDArray right, int[] rightFirst, int[] count) {
    if (SquaredProducts.isUsable() && !sum.getDevice().isGpu()) {
      beforeAdding(count.length);
      products.add(
          floats(sum),
          new SquaredProducts.Operand(floats(left), rows, leftFirst),
          new SquaredProducts.Operand(floats(right), columns, rightFirst),
          count);
      return;
    }
    for (int i = 0; i < count.length; i++) {
      try (NDArray leftRows = rows(left, leftFirst[i], count[i]);
          NDArray rightRows = rows(right, rightFirst[i], count[i])) {
        addSquaredProduct(leftRows, rightRows);
      }
    }
  }

  private static NDArray rows(NDArray array, int first, int count) {
    return array.get(NDIndex.sliceAxis(0, first, first + count));
  }

  /**
   * Adds leftᵀ·right, where both are squares already. This handles all examples at once when each
   * has a single row, since (x·d)² = x²·d².
   *
   * @param left (examples, rows of the parameter)
   * @param right (examples, columns of the parameter)
   */
  void addProduct(NDArray left, NDArray right) {
    beforeAdding(1);
    try (NDArray transposed = left.transpose();
        NDArray product = transposed.matMul(right)) {
      sum.addi(product);
    }
  }

  /**
   * Adds the squares of gradients, summed over examples.
   *
   * @param gradients (examples, the parameter's elements)
   */
  void addSquares(NDArray gradients) {
    beforeAdding(1);
    try (NDArray squares = gradients.square();
        NDArray total = squares.sum(new int[] {0});
        NDArray shaped = total.reshape(sum.getShape())) {
      sum.addi(shaped);
    }
  }

  /**
   * Adds the squares of one gradient, and overwrites the gradient with them.
   *
   * @param gradient in the parameter's shape
   */
  void addSquareInPlace(NDArray gradient) {
    beforeAdding(1);
    gradient.muli(gradient);
    try (NDArray shaped = gradient.reshape(sum.getShape())) {
      sum.addi(shaped);
    }
  }

  /**
   * Adds the squares of some rows' gradients.
   *
   * @param gradients by row
   */
  void addRowSquares(Map<Integer, float[]> gradients) {
    beforeAdding(1);
    FloatBuffer values = floats(sum);
    gradients.forEach(
        (row, gradient) -> {
          int start = row * columns;
          for (int i = 0; i < columns; i++) {
            values.put(start + i, values.get(start + i) + gradient[i] * gradient[i]);
          }
        });
  }

  private void beforeAdding(int terms) {
    if (additions > 0 && additions + terms > FOLD_AFTER) {
      if (folded == null) {
        folded = Scratch.keep(manager.zeros(sum.getShape(), DataType.FLOAT32));
      }
      folded.addi(sum);
      zero(sum);
      additions = 0;
    }
    additions += terms;
  }

  void clear() {
    zero(sum);
    if (folded != null) {
      zero(folded);
    }
    additions = 0;
  }

  private static void zero(NDArray array) {
    array.set(new NDIndex().addAllDim(), 0f);
  }

  void copy(long firstElement, float[] target, int offset, int elements) {
    view(sum, firstElement, elements).get(target, offset, elements);
    if (folded != null) {
      FloatBuffer second = view(folded, firstElement, elements);
      for (int i = 0; i < elements; i++) {
        target[offset + i] += second.get(i);
      }
    }
  }

  private static FloatBuffer view(NDArray array, long firstElement, int elements) {
    return floats(array).slice(Math.toIntExact(firstElement), elements);
  }

  /** An array's own memory, or a copy of it when its elements are not in order. */
  private static FloatBuffer floats(NDArray array) {
    return array.toByteBuffer(true).order(ByteOrder.nativeOrder()).asFloatBuffer();
  }
}
