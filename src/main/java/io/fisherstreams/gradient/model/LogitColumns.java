package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.device.Compute;
import java.nio.FloatBuffer;
import java.util.Arrays;
import java.util.List;

/** Changes of single elements of a block of logits' gradients, (rows, tokens of the block). */
interface LogitColumns {

  /** The fastest way for a device. */
  static LogitColumns of(Compute compute) {
    return compute.fused() ? new InHostMemory() : new OnDevice();
  }

  /**
   * Adds a value to one element of each row.
   *
   * @param columns by row; a row whose column is outside the block is left as it is
   */
  void add(NDArray d, int[] columns, float value);

  /**
   * Sets columns to zero.
   *
   * @return what they had, (columns, rows)
   */
  NDArray take(NDArray d, List<Integer> columns);

  /** Reads and writes the array's own memory. */
  final class InHostMemory implements LogitColumns {
    @Override
    public void add(NDArray d, int[] columns, float value) {
      FloatBuffer values = HostFloats.of(d);
      int width = Math.toIntExact(d.getShape().get(1));
      for (int i = 0; i < columns.length; i++) {
        if (columns[i] >= 0 && columns[i] < width) {
          int at = i * width + columns[i];
          values.put(at, values.get(at) + value);
        }
      }
    }

    @Override
    public NDArray take(NDArray d, List<Integer> columns) {
      int rows = Math.toIntExact(d.getShape().get(0));
      int width = Math.toIntExact(d.getShape().get(1));
      FloatBuffer values = HostFloats.of(d);
      float[] taken = new float[columns.size() * rows];
      for (int k = 0; k < columns.size(); k++) {
        for (int i = 0; i < rows; i++) {
          int at = i * width + columns.get(k);
          taken[k * rows + i] = values.get(at);
          values.put(at, 0);
        }
      }
      return d.getManager().create(taken, new Shape(columns.size(), rows));
    }
  }

  /** Uses operations on whole arrays. */
  final class OnDevice implements LogitColumns {
    @Override
    public void add(NDArray d, int[] columns, float value) {
      NDManager manager = d.getManager();
      int width = Math.toIntExact(d.getShape().get(1));
      NDArray wanted = manager.create(columns, new Shape(columns.length, 1));
      NDArray numbers = manager.arange(0, width, 1, DataType.INT32).reshape(1, width);
      d.addi(wanted.eq(numbers).toType(DataType.FLOAT32, false).muli(value));
    }

    @Override
    public NDArray take(NDArray d, List<Integer> columns) {
      NDManager manager = d.getManager();
      float[] left = new float[Math.toIntExact(d.getShape().get(1))];
      Arrays.fill(left, 1);
      columns.forEach(column -> left[column] = 0);
      NDArray indices = manager.create(columns.stream().mapToInt(Integer::intValue).toArray());
      NDArray taken = d.transpose().get(new NDIndex("{}", indices));
      d.muli(manager.create(left, new Shape(1, left.length)));
      return taken;
    }
  }
}
