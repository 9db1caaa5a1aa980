package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Map;

/**
 * Sums of squares on any device, by operations of PyTorch. The gradients of all directions are
 * formed together, a tile of the parameter's rows at a time.
 */
final class TiledSquares extends DenseSquares {
  /** Elements of a tile on a GPU: 32 MiB. */
  private static final int GPU_ELEMENTS = 1 << 23;

  /** Sums of zero examples. */
  TiledSquares(NDManager manager, Compute compute, TensorInfo parameter) {
    super(
        manager,
        compute.precision(),
        compute.device().isGpu() ? GPU_ELEMENTS : CACHED_ELEMENTS,
        parameter);
  }

  @Override
  void addBlock(int firstRow, NDArray left, NDArray right, int[] starts) {
    for (int i = 0; i + 1 < starts.length; i++) {
      NDIndex own = NDIndex.sliceAxis(0, starts[i], starts[i + 1]);
      try (NDArray ownLeft = left.get(own);
          NDArray ownRight = right.get(own)) {
        addTiles(firstRow, ownLeft, ownRight);
      }
    }
  }

  @Override
  void addSquaredProducts(
      NDArray left, NDArray right, boolean leftIsActivation, Backward backward) {
    beforeAdding(1);
    NDArray byLeft = leftIsActivation ? backward.byDirection(left) : left;
    NDArray byRight = leftIsActivation ? right : backward.byDirection(right);
    int step = tileRows((long) backward.directions() * columns());
    for (int from = 0; from < rows(); from += step) {
      int to = Math.min(rows(), from + step);
      try (NDArray part = byLeft.get(NDIndex.sliceAxis(2, from, to));
          NDArray transposed = part.transpose(0, 2, 1);
          NDArray gradients = precision().product(transposed, byRight);
          NDArray tile = sum().get(NDIndex.sliceAxis(0, from, to))) {
        gradients.muli(gradients);
        try (NDArray total = gradients.sum(new int[] {0})) {
          tile.addi(total);
        }
      }
    }
  }

  @Override
  void addRowSquares(Map<Integer, float[]> gradients) {
    int[] rows = gradients.keySet().stream().mapToInt(Integer::intValue).toArray();
    float[] values = new float[rows.length * columns()];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(gradients.get(rows[i]), 0, values, i * columns(), columns());
    }
    try (NDArray all = sum().getManager().create(values, new Shape(rows.length, columns()))) {
      addRowSquares(rows, all);
    }
  }

  /**
   * Adds the squares of some rows' gradients.
   *
   * @param rows distinct
   * @param gradients (rows, columns)
   */
  void addRowSquares(int[] rows, NDArray gradients) {
    if (rows.length == 0) {
      return;
    }
    beforeAdding(1);
    try (NDArray indices = sum().getManager().create(rows);
        NDArray squares = gradients.square();
        NDArray before = sum().get(new NDIndex("{}", indices));
        NDArray after = before.add(squares)) {
      sum().set(new NDIndex("{}", indices), after);
    }
  }

  @Override
  void copy(long firstElement, float[] target, int offset, int elements) {
    System.arraycopy(run(sum(), firstElement, elements), 0, target, offset, elements);
    if (folded() != null) {
      float[] second = run(folded(), firstElement, elements);
      for (int i = 0; i < elements; i++) {
        target[offset + i] += second[i];
      }
    }
  }

  private static float[] run(NDArray array, long firstElement, int elements) {
    try (NDArray flat = array.reshape(-1);
        NDArray run = flat.get(NDIndex.sliceAxis(0, firstElement, firstElement + elements))) {
      return run.toFloatArray();
    }
  }
}
