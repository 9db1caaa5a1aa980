package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.tensor.TensorInfo;
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
abstract class DenseSquares {
  static final int FOLD_AFTER = 1024;

  /** Of a product on the CPU: 1.5 MiB stay in cache between product, squaring and addition. */
  static final int CACHED_ELEMENTS = 393_216;

  private final NDManager manager;
  private final Precision precision;
  private final int tileElements;
  private final NDArray sum;
  private final int rows;
  private final int columns;
  private NDArray folded;
  private int additions;

  /**
   * Sums of zero examples.
   *
   * @param manager owns the sums
   * @param precision of the products that are squared
   * @param tileElements of a product that is in memory at a time, unless one row has more
   */
  DenseSquares(NDManager manager, Precision precision, int tileElements, TensorInfo parameter) {
    this.manager = manager;
    this.precision = precision;
    this.tileElements = tileElements;
    this.rows = parameter.shape().isEmpty() ? 1 : Math.toIntExact(parameter.shape().get(0));
    this.columns = rows == 0 ? 0 : Math.toIntExact(parameter.elements() / rows);
    this.sum = manager.zeros(new Shape(rows, columns), DataType.FLOAT32);
  }

  final NDArray sum() {
    return sum;
  }

  /** The second sum; null before the first fold. */
  final NDArray folded() {
    return folded;
  }

  final int rows() {
    return rows;
  }

  final int columns() {
    return columns;
  }

  final Precision precision() {
    return precision;
  }

  /** Rows of a tile of products that have some elements in each of these rows. */
  final int tileRows(long elements) {
    int fitting = Math.toIntExact(Math.max(1, tileElements / Math.max(1, elements)));
    return fitting > 16 ? fitting / 16 * 16 : fitting;
  }

  /**
   * Adds the squares of leftᵀ·right, element by element: a linear layer's weight gradient over the
   * rows (tokens) of one example, formed and squared tile by tile.
   *
   * @param left (tokens, rows of the parameter)
   * @param right (tokens, columns of the parameter)
   */
  final void addSquaredProduct(NDArray left, NDArray right) {
    beforeAdding(1);
    addTiles(0, left, right);
  }

  /** Adds the squares of leftᵀ·right to some rows, with a tile of the product in memory. */
  final void addTiles(int firstRow, NDArray left, NDArray right) {
    int height = Math.toIntExact(left.getShape().get(1));
    int step = tileRows(columns);
    for (int from = 0; from < height; from += step) {
      int to = Math.min(height, from + step);
      try (NDArray part = left.get(NDIndex.sliceAxis(1, from, to));
          NDArray transposed = part.transpose();
          NDArray gradient = precision.product(transposed, right);
          NDArray tile = sum.get(NDIndex.sliceAxis(0, firstRow + from, firstRow + to))) {
        gradient.muli(gradient);
        tile.addi(gradient);
      }
    }
  }

  /**
   * Adds the squares of each example's leftᵀ·right to some rows of the parameter. Blocks of rows
   * come in order and together make up the parameter.
   *
   * @param firstRow the block's first row
   * @param left (tokens of all examples, rows of the block)
   * @param right (tokens of all examples, columns of the parameter)
   * @param starts by example, its first token; then the number of tokens
   */
  final void addSquaredProducts(int firstRow, NDArray left, NDArray right, int[] starts) {
    int examples = starts.length - 1;
    if (firstRow == 0) {
      beforeAdding(examples);
    }
    if (starts[examples] > examples) {
      addBlock(firstRow, left, right, starts);
      return;
    }
    int height = Math.toIntExact(left.getShape().get(1));
    try (NDArray leftSquares = left.square();
        NDArray column = leftSquares.transpose();
        NDArray rightSquares = right.square();
        NDArray product = column.matMul(rightSquares);
        NDArray block = sum.get(NDIndex.sliceAxis(0, firstRow, firstRow + height))) {
      block.addi(product);
    }
  }

  /** As {@link #addSquaredProducts}, for examples with several tokens. */
  abstract void addBlock(int firstRow, NDArray left, NDArray right, int[] starts);

  /**
   * Does what {@link #addSquaredProduct} does for each direction of a backward pass. Rows outside
   * {@link Backward#ranges} have no gradient.
   *
   * @param left (directions or examples, rows, rows of the parameter)
   * @param right (directions or examples, rows, columns of the parameter)
   * @param leftIsActivation whether left is by example and right by direction, or the other way
   *     round
   */
  abstract void addSquaredProducts(
      NDArray left, NDArray right, boolean leftIsActivation, Backward backward);

  /**
   * Adds leftᵀ·right, where both are squares already. This handles all examples at once when each
   * has a single row, since (x·d)² = x²·d².
   *
   * @param left (examples, rows of the parameter)
   * @param right (examples, columns of the parameter)
   */
  final void addProduct(NDArray left, NDArray right) {
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
  final void addSquares(NDArray gradients) {
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
  final void addSquareInPlace(NDArray gradient) {
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
  abstract void addRowSquares(Map<Integer, float[]> gradients);

  final void beforeAdding(int terms) {
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

  final void clear() {
    zero(sum);
    if (folded != null) {
      zero(folded);
    }
    additions = 0;
  }

  private static void zero(NDArray array) {
    array.set(new NDIndex().addAllDim(), 0f);
  }

  /**
   * Copies a run of the sums.
   *
   * @param firstElement index into the flattened parameter
   * @param target receives {@code elements} values from {@code offset} on
   */
  abstract void copy(long firstElement, float[] target, int offset, int elements);
}
