package io.fisherstreams.checkpoint;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.Optional;

/**
 * A tensor of a base with an adapter's change, {@code W = W₀ + s B A}, computed in float64 and
 * rounded once to the base's type. Nothing of it is kept: each slice is computed when it is asked
 * for, block by block. An element does not depend on the slice that it is in. Several threads may
 * ask at a time.
 *
 * @param info name and type of the result
 * @param start W₀, of the result's shape
 * @param update s B A; empty for a tensor that only replaces the base's
 */
record ExpandedTensor(TensorInfo info, TensorSlices start, Optional<Update> update)
    implements TensorSlices {
  private static final int BLOCK = 32_768;

  /**
   * The product s B A of two factors, which stay in their file.
   *
   * @param b B [outputs, r]
   * @param a A [r, inputs]; empty for a bias, to which s B is added, with B [outputs]
   * @param rank r
   * @param scale s
   * @param transposed whether the result is stored as [inputs, outputs]
   */
  record Update(
      TensorSlices b, Optional<TensorSlices> a, int rank, double scale, boolean transposed) {
    /** Adds the product's elements from {@code first} on. */
    void addTo(double[] values, long first, int count, long columns) {
      if (a.isEmpty()) {
        double[] bias = b.values(first, count);
        for (int j = 0; j < count; j++) {
          values[j] += scale * bias[j];
        }
        return;
      }
      // A row of the result is a row of one factor times the whole other one.
      TensorSlices rows = transposed ? a.get() : b;
      TensorSlices other = transposed ? b : a.get();
      double[] whole = other.values(0, (int) other.info().elements());
      double[] sums = new double[(int) Math.min(columns, count)];
      double[] factors = new double[rank];
      for (int done = 0; done < count; ) {
        long row = (first + done) / columns;
        int column = (int) ((first + done) % columns);
        int length = (int) Math.min(count - done, columns - column);
        readRow(rows, row, factors);
        Arrays.fill(sums, 0, length, 0);
        for (int k = 0; k < rank; k++) {
          add(sums, length, factors[k], whole, k, column, columns);
        }
        for (int j = 0; j < length; j++) {
          values[done + j] += scale * sums[j];
        }
        done += length;
      }
    }

    /** Adds factor · (row k of the product's second factor), from a column on. */
    private void add(
        double[] sums, int length, double factor, double[] whole, int k, int column, long columns) {
      if (transposed) { // the second factor is Bᵀ, and B is stored
        for (int j = 0; j < length; j++) {
          sums[j] += factor * whole[(column + j) * rank + k];
        }
      } else {
        int from = (int) (k * columns) + column;
        for (int j = 0; j < length; j++) {
          sums[j] += factor * whole[from + j];
        }
      }
    }

    private void readRow(TensorSlices rows, long row, double[] factors) {
      if (!transposed) {
        System.arraycopy(rows.values(row * rank, rank), 0, factors, 0, rank);
        return;
      }
      long inputs = rows.info().elements() / rank;
      for (int k = 0; k < rank; k++) {
        factors[k] = rows.values(k * inputs + row, 1)[0];
      }
    }
  }

  @Override
  public ByteBuffer slice(long firstElement, int elements) {
    DType type = info.dtype();
    ByteBuffer bytes = ByteBuffer.allocate(elements * type.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    long columns = info.shape().isEmpty() ? 1 : info.shape().get(info.shape().size() - 1);
    for (int done = 0; done < elements; done += BLOCK) {
      int count = Math.min(BLOCK, elements - done);
      double[] values = start.values(firstElement + done, count);
      if (update.isPresent()) {
        update.get().addTo(values, firstElement + done, count, columns);
      }
      FloatCodec.fromDouble(type, values, 0, count, bytes, done * type.bytes());
    }
    return bytes.asReadOnlyBuffer().order(ByteOrder.LITTLE_ENDIAN);
  }
}
