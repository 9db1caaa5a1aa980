package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.TreeMap;

/**
 * Σ over examples of squared gradients, one float32 value per parameter element, and how many
 * examples went in. The diagonal Fisher is the sum divided by the count.
 *
 * <p><b>Precision.</b> A term is added to a first float32 sum at most {@value #FOLD_AFTER} times
 * before that sum is folded into a second one, so rounding errors grow with {@value #FOLD_AFTER} +
 * n/{@value #FOLD_AFTER} instead of n additions. The second sum is allocated at the first fold: up
 * to then the memory is one float32 per element.
 *
 * <p><b>Sparse parameters.</b> Embedding tables, of which an example touches few rows, are kept as
 * the rows touched (float64) and never made dense.
 *
 * <p>Owns native memory until {@link #close()}. Not for use by several threads.
 */
public final class SquaredSums implements AutoCloseable {
  static final int FOLD_AFTER = 1024;

  private final Map<String, TensorInfo> parameters = new LinkedHashMap<>();
  private final Map<String, Dense> dense = new LinkedHashMap<>();
  private final Map<String, Rows> rows = new LinkedHashMap<>();
  private final NDManager manager = NDManager.newBaseManager("PyTorch");
  private final SquaredProducts products = new SquaredProducts();
  private long examples;

  /**
   * Sums of zero examples for a model's parameters.
   *
   * @param runtime the model whose gradients are to be summed
   */
  public SquaredSums(ModelRuntime runtime) {
    for (TensorInfo parameter : runtime.parameters()) {
      parameters.put(parameter.name(), parameter);
      if (runtime.sparse(parameter.name())) {
        rows.put(parameter.name(), new Rows(Math.toIntExact(parameter.shape().get(1))));
      } else {
        dense.put(parameter.name(), new Dense(manager, products, parameter));
      }
    }
  }

  /** The parameters, in the checkpoint's order. */
  public List<TensorInfo> parameters() {
    return List.copyOf(parameters.values());
  }

  /** How many examples the sums are over. */
  public long examples() {
    return examples;
  }

  /** Counts examples whose squared gradients have all been added. */
  public void count(long moreExamples) {
    examples += moreExamples;
  }

  /**
   * Copies a run of a parameter's sums; elements that no example touched are 0.
   *
   * @param parameter the parameter's name
   * @param firstElement index into the flattened parameter
   * @param target takes {@code elements} values from {@code offset} on
   */
  public void copy(String parameter, long firstElement, float[] target, int offset, int elements) {
    Dense sum = dense.get(parameter);
    if (sum != null) {
      sum.copy(firstElement, target, offset, elements);
    } else {
      rows.get(parameter).copy(firstElement, target, offset, elements);
    }
  }

  /**
   * The non-zero elements of a run, in ascending order of index, where they with their indices are
   * smaller than the run: empty when half of the run is not zero, or for a parameter of which not
   * only the rows that examples touched are kept.
   *
   * @param parameter the parameter's name
   * @param firstElement index into the flattened parameter of the run's first element
   * @param elements length of the run
   */
  public Optional<SparseRun> sparseRun(String parameter, long firstElement, int elements) {
    return Optional.ofNullable(rows.get(parameter))
        .map(sums -> sums.run(firstElement, elements))
        .filter(run -> 2 * run.indices().length < elements);
  }

  /**
   * Non-zero elements of a run.
   *
   * @param indices positions relative to the run's first element, ascending
   * @param values the sums at these positions
   */
  @SuppressWarnings("ArrayRecordComponent") // a carrier between two loops, never compared
  public record SparseRun(int[] indices, float[] values) {}

  /** Back to the sums of zero examples, keeping the memory. */
  public void clear() {
    dense.values().forEach(Dense::clear);
    rows.values().forEach(Rows::clear);
    examples = 0;
  }

  @Override
  public void close() {
    manager.close();
  }

  Dense dense(Parameter parameter) {
    return dense.get(parameter.name());
  }

  Rows rows(Parameter parameter) {
    return rows.get(parameter.name());
  }

  /** The sums of one dense parameter, seen as a matrix of shape[0] rows. */
  static final class Dense {
    // A product of 1.5 MiB stays in cache between the product, its squaring and its addition.
    private static final int TILE_ELEMENTS = 393_216;

    private final NDManager manager;
    private final SquaredProducts products;
    private final NDArray sum;
    private final int rows;
    private final int columns;
    private NDArray folded;
    private int additions;

    private Dense(NDManager manager, SquaredProducts products, TensorInfo parameter) {
      this.manager = manager;
      this.products = products;
      this.rows = parameter.shape().isEmpty() ? 1 : Math.toIntExact(parameter.shape().get(0));
      this.columns = rows == 0 ? 0 : Math.toIntExact(parameter.elements() / rows);
      this.sum = manager.zeros(new Shape(rows, columns), DataType.FLOAT32);
    }

    /**
     * Adds the squares of leftᵀ·right, element by element: a linear layer's weight gradient over
     * the rows (tokens) of one example, formed and squared tile by tile.
     *
     * @param left (tokens, rows of the parameter)
     * @param right (tokens, columns of the parameter)
     */
    void addSquaredProduct(NDArray left, NDArray right) {
      beforeAdding(1);
      int fitting = Math.max(1, TILE_ELEMENTS / Math.max(1, columns));
      int height = fitting > 16 ? fitting / 16 * 16 : fitting;
      for (int from = 0; from < rows; from += height) {
        int to = Math.min(rows, from + height);
        try (NDArray part = left.get(NDIndex.sliceAxis(1, from, to));
            NDArray transposed = part.transpose();
            NDArray gradient = transposed.matMul(right);
            NDArray tile = sum.get(NDIndex.sliceAxis(0, from, to))) {
          gradient.muli(gradient);
          tile.addi(gradient);
        }
      }
    }

    /**
     * As {@link #addSquaredProduct} for several examples, by the processor's vectors where they can
     * be used: forming, squaring and adding take little longer together than forming alone.
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
     * Adds leftᵀ·right for a left and a right that are squares already: all examples at once, when
     * each has a single row, since (x·d)² = x²·d².
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
     * Adds the squares of one gradient, which is overwritten by them.
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

    private void beforeAdding(int terms) {
      if (additions > 0 && additions + terms > FOLD_AFTER) {
        if (folded == null) {
          folded = manager.zeros(sum.getShape(), DataType.FLOAT32);
        }
        folded.addi(sum);
        zero(sum);
        additions = 0;
      }
      additions += terms;
    }

    private void clear() {
      zero(sum);
      if (folded != null) {
        zero(folded);
      }
      additions = 0;
    }

    private static void zero(NDArray array) {
      array.set(new NDIndex().addAllDim(), 0f);
    }

    private void copy(long firstElement, float[] target, int offset, int elements) {
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

    /** An array's own memory, or a copy of it where its elements do not lie in order. */
    private static FloatBuffer floats(NDArray array) {
      return array.toByteBuffer(true).order(ByteOrder.nativeOrder()).asFloatBuffer();
    }
  }

  /** The sums of one embedding table: only the rows that were touched. */
  static final class Rows {
    private final int columns;
    private final TreeMap<Integer, double[]> sums = new TreeMap<>();

    private Rows(int columns) {
      this.columns = columns;
    }

    /** Adds the squares of one row's gradient. */
    void addSquares(int row, float[] gradient) {
      double[] sum = sums.computeIfAbsent(row, unused -> new double[columns]);
      for (int i = 0; i < columns; i++) {
        double g = gradient[i];
        sum[i] += g * g;
      }
    }

    int columns() {
      return columns;
    }

    private void clear() {
      sums.clear();
    }

    private void copy(long firstElement, float[] target, int offset, int elements) {
      Arrays.fill(target, offset, offset + elements, 0f);
      SparseRun run = run(firstElement, elements);
      for (int i = 0; i < run.indices().length; i++) {
        target[offset + run.indices()[i]] = run.values()[i];
      }
    }

    private SparseRun run(long firstElement, int elements) {
      long end = firstElement + elements;
      int firstRow = Math.toIntExact(firstElement / columns);
      int endRow = Math.toIntExact((end + columns - 1) / columns);
      int found = 0;
      Map<Integer, double[]> touched = sums.subMap(firstRow, endRow);
      int[] indices = new int[Math.min(elements, touched.size() * columns)];
      float[] values = new float[indices.length];
      for (Map.Entry<Integer, double[]> row : touched.entrySet()) {
        long rowStart = (long) row.getKey() * columns;
        int from = (int) Math.max(0, firstElement - rowStart);
        int to = (int) Math.min(columns, end - rowStart);
        for (int i = from; i < to; i++) {
          float value = (float) row.getValue()[i];
          if (value != 0) {
            indices[found] = (int) (rowStart + i - firstElement);
            values[found++] = value;
          }
        }
      }
      return new SparseRun(Arrays.copyOf(indices, found), Arrays.copyOf(values, found));
    }
  }
}
