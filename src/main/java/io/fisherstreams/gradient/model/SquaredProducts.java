package io.fisherstreams.gradient.model;

import io.fisherstreams.tensor.VectorUnit;
import java.nio.FloatBuffer;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.function.IntConsumer;
import java.util.stream.IntStream;

/**
 * Σ over examples of (leftᵀ·right)², element by element, in float32: the squared weight gradients
 * of a linear layer. Left and right are its inputs and output gradients, with a row per token. A
 * product is squared and added in the processor's registers; no example's gradient is ever stored
 * in memory.
 *
 * <p>Written with {@code jdk.incubator.vector}, so it may only be used where {@link #isUsable} is
 * true. The result does not depend on the number of threads (those of the common pool). Keeps its
 * packed operands for the next call; not for use by several threads.
 */
final class SquaredProducts {
  /** Columns of left in one register tile. */
  static final int TILE_ROWS = 4;

  // A block of sums stays in a core's second cache while all examples are added to it: 128 KiB.
  private static final int BLOCK_ROWS = 256;
  private static final int BLOCK_COLUMNS = 128;

  /** Elements of packed operands at a time, unless one example has more: 16 MiB. */
  private static final int PACKED_ELEMENTS = 1 << 22;

  private static final ThreadLocal<float[]> BLOCK =
      ThreadLocal.withInitial(() -> new float[BLOCK_ROWS * BLOCK_COLUMNS]);

  private float[] packedLeft = {};
  private float[] packedRight = {};

  /** Whether the Java module that this class needs was requested at start. */
  static boolean isUsable() {
    return VectorUnit.IS_USABLE;
  }

  /**
   * The rows of several examples in row-major matrices.
   *
   * @param values all rows, float32
   * @param width elements of a row
   * @param first for each example, its first row
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  record Operand(FloatBuffer values, int width, int[] first) {}

  /**
   * Adds the squared products of some examples.
   *
   * @param sums (left's width, right's width), row-major
   * @param rows for each example, how many rows it has in both operands
   */
  void add(FloatBuffer sums, Operand left, Operand right, int[] rows) {
    long width = (long) padded(left.width, TILE_ROWS) + padded(right.width, panel());
    int from = 0;
    while (from < rows.length) {
      int to = from + 1;
      long packed = rows[from] * width;
      while (to < rows.length && packed + rows[to] * width <= PACKED_ELEMENTS) {
        packed += rows[to++] * width;
      }
      add(sums, left, right, rows, from, to);
      from = to;
    }
  }

  private void add(FloatBuffer sums, Operand left, Operand right, int[] rows, int from, int to) {
    int[] starts = new int[to - from];
    int total = 0;
    for (int i = from; i < to; i++) {
      starts[i - from] = total;
      total += rows[i];
    }
    int leftWidth = padded(left.width, TILE_ROWS);
    int rightWidth = padded(right.width, panel());
    packedLeft = atLeast(packedLeft, Math.multiplyExact(total, leftWidth));
    packedRight = atLeast(packedRight, Math.multiplyExact(total, rightWidth));
    float[] a = packedLeft;
    float[] b = packedRight;
    share(
        to - from,
        i -> {
          pack(left, from + i, rows[from + i], TILE_ROWS, a, starts[i] * leftWidth);
          pack(right, from + i, rows[from + i], panel(), b, starts[i] * rightWidth);
        });
    int down = (left.width + BLOCK_ROWS - 1) / BLOCK_ROWS;
    int across = (right.width + BLOCK_COLUMNS - 1) / BLOCK_COLUMNS;
    share(
        down * across,
        task -> {
          int row = task / across * BLOCK_ROWS;
          int column = task % across * BLOCK_COLUMNS;
          int height = Math.min(BLOCK_ROWS, left.width - row);
          int width = Math.min(BLOCK_COLUMNS, right.width - column);
          float[] block = BLOCK.get();
          for (int i = 0; i < height; i++) {
            sums.get((row + i) * right.width + column, block, i * BLOCK_COLUMNS, width);
          }
          for (int i = 0; i < starts.length; i++) {
            int length = rows[from + i];
            int aStart = starts[i] * leftWidth + row * length;
            int bStart = starts[i] * rightWidth + column * length;
            addBlock(block, height, width, a, aStart, b, bStart, length);
          }
          for (int i = 0; i < height; i++) {
            sums.put((row + i) * right.width + column, block, i * BLOCK_COLUMNS, width);
          }
        });
  }

  /** Runs tasks on all threads. A thread starts the next task when it has finished one. */
  private static void share(int tasks, IntConsumer task) {
    if (tasks == 1) {
      task.accept(0);
      return;
    }
    AtomicInteger next = new AtomicInteger();
    IntStream.rangeClosed(0, Math.min(tasks - 1, ForkJoinPool.getCommonPoolParallelism()))
        .parallel()
        .forEach(
            thread -> {
              for (int i = next.getAndIncrement(); i < tasks; i = next.getAndIncrement()) {
                task.accept(i);
              }
            });
  }

  private static void addBlock(
      float[] block,
      int height,
      int width,
      float[] a,
      int aStart,
      float[] b,
      int bStart,
      int rows) {
    for (int column = 0; column < width; column += panel()) {
      for (int row = 0; row < height; row += TILE_ROWS) {
        VectorProducts.addTile(
            block,
            row * BLOCK_COLUMNS + column,
            BLOCK_COLUMNS,
            a,
            aStart + row * rows,
            b,
            bStart + column * rows,
            rows);
      }
    }
  }

  /**
   * Copies an example's rows as panels of some columns. Each panel is contiguous, so that a tile
   * reads it in order. Missing columns of the last panel are 0.
   */
  private static void pack(
      Operand operand, int example, int rows, int columns, float[] packed, int start) {
    float[] row = new float[padded(operand.width, columns)];
    for (int t = 0; t < rows; t++) {
      operand.values.get((operand.first[example] + t) * operand.width, row, 0, operand.width);
      int target = start + t * columns;
      for (int column = 0; column < row.length; column += columns) {
        if (columns == TILE_ROWS) {
          // A call for four elements takes longer than copying them.
          packed[target] = row[column];
          packed[target + 1] = row[column + 1];
          packed[target + 2] = row[column + 2];
          packed[target + 3] = row[column + 3];
        } else {
          System.arraycopy(row, column, packed, target, columns);
        }
        target += rows * columns;
      }
    }
  }

  private static int panel() {
    return VectorProducts.TILE_COLUMNS;
  }

  private static int padded(int width, int step) {
    return (width + step - 1) / step * step;
  }

  private static float[] atLeast(float[] array, int length) {
    return array.length >= length ? array : new float[length];
  }
}
