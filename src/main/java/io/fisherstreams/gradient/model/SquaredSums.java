package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.checkpoint.TensorInfo;
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
        dense.put(parameter.name(), new Dense(manager, parameter));
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
    // Products of 1.5 MiB, or of 6 MiB over several examples, stay in cache between the product,
    // its
    // squaring and its addition. Measured with 50 rows an example on two cores of EPYC 9004 (1 MiB
    // L2 a core): 150 GFLOP/s for eight examples at once, 125 one by one; 50 without tiles.
    private static final int TILE_ELEMENTS = 393_216;
    private static final int BATCH_TILE_ELEMENTS = 4 * TILE_ELEMENTS;

    private final NDManager manager;
    private final NDArray sum;
    private final int rows;
    private final int columns;
    private NDArray folded;
    private int additions;

    private Dense(NDManager manager, TensorInfo parameter) {
      this.manager = manager;
      this.rows = parameter.shape().isEmpty() ? 1 : Math.toIntExact(parameter.shape().get(0));
      this.columns = rows == 0 ? 0 : Math.toIntExact(parameter.elements() / rows);
      this.sum = manager.zeros(new Shape(rows, columns), DataType.FLOAT32);
    }

    /** How many rows of the parameter have about so many elements. */
    private int tileRows(int elements) {
      int fitting = Math.max(1, elements / Math.max(1, columns));
      return fitting > 16 ? fitting / 16 * 16 : fitting;
    }

    /**
     * Adds the squares of leftᵀ·right, element by element: a linear layer's weight gradient over
     * the rows (tokens) of one example, formed and squared tile by tile.
     *
     * @param left (tokens, rows of the parameter)
     * @param right (tokens, columns of the parameter)
     */
    void addSquaredProduct(NDArray left, NDArray right) {
      beforeAdding();
      int height = tileRows(TILE_ELEMENTS);
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
     * As {@link #addSquaredProduct} for several examples, all at once.
     *
     * @param left (examples, tokens, rows of the parameter)
     * @param right (examples, tokens, columns of the parameter)
     */
    void addSquaredProducts(NDArray left, NDArray right) {
      beforeAdding();
      int height = tileRows(BATCH_TILE_ELEMENTS / Math.toIntExact(left.getShape().get(0)));
      for (int from = 0; from < rows; from += height) {
        int to = Math.min(rows, from + height);
        try (NDArray part = left.get(NDIndex.sliceAxis(2, from, to));
            NDArray transposed = part.transpose(0, 2, 1);
            NDArray gradients = transposed.matMul(right)) {
          gradients.muli(gradients);
          try (NDArray total = gradients.sum(new int[] {0});
              NDArray tile = sum.get(NDIndex.sliceAxis(0, from, to))) {
            tile.addi(total);
          }
        }
      }
    }

    /**
     * Adds leftᵀ·right for a left and a right that are squares already: all examples at once, when
     * each has a single row, since (x·d)² = x²·d².
     *
     * @param left (examples, rows of the parameter)
     * @param right (examples, columns of the parameter)
     */
    void addProduct(NDArray left, NDArray right) {
      beforeAdding();
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
      beforeAdding();
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
      beforeAdding();
      gradient.muli(gradient);
      try (NDArray shaped = gradient.reshape(sum.getShape())) {
        sum.addi(shaped);
      }
    }

    private void beforeAdding() {
      if (additions == FOLD_AFTER) {
        if (folded == null) {
          folded = manager.zeros(sum.getShape(), DataType.FLOAT32);
        }
        folded.addi(sum);
        zero(sum);
        additions = 0;
      }
      additions++;
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
      return array
          .toByteBuffer(true)
          .order(ByteOrder.nativeOrder())
          .asFloatBuffer()
          .slice(Math.toIntExact(firstElement), elements);
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
