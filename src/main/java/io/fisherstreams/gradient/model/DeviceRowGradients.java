package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import java.util.Arrays;
import java.util.List;

/**
 * Row gradients on any device. Each direction has a slot for each row that its example looks up.
 * Gradients of equal rows are added by a product with a matrix of zeros and ones, in an order that
 * is always the same; atomic additions on a GPU are not.
 */
final class DeviceRowGradients implements RowGradients {
  /** No table has these rows; they are equal to nothing. */
  private static final int EMPTY_SLOT = -1;

  private static final int NO_ROW = -2;

  /** By direction, the rows of its slots, ascending. */
  private final int[][] slots;

  /** The same, (directions, slots, 1). */
  private final NDArray slotRows;

  /** (directions, slots, width). */
  private final NDArray gradients;

  private final NDManager manager;

  DeviceRowGradients(Backward backward, int[][] lookedUp, int width) {
    manager = backward.manager();
    int directions = backward.directions();
    slots = new int[directions][];
    for (int direction = 0; direction < directions; direction++) {
      slots[direction] =
          Arrays.stream(lookedUp[backward.example(direction)]).distinct().sorted().toArray();
    }
    int most = Arrays.stream(slots).mapToInt(rows -> rows.length).max().orElseThrow();
    int[] padded = new int[directions * most];
    Arrays.fill(padded, EMPTY_SLOT);
    for (int direction = 0; direction < directions; direction++) {
      System.arraycopy(slots[direction], 0, padded, direction * most, slots[direction].length);
    }
    slotRows = Scratch.keep(manager.create(padded, new Shape(directions, most, 1)));
    gradients = Scratch.keep(manager.zeros(new Shape(directions, most, width)));
  }

  @Override
  public void add(NDArray more, int[][] lookedUp, Backward backward) {
    int positions = Math.toIntExact(more.getShape().get(1));
    int[] rows = new int[slots.length * positions];
    Arrays.fill(rows, NO_ROW);
    for (int direction = 0; direction < slots.length; direction++) {
      int example = backward.example(direction);
      int from = backward.ranges().from()[example];
      int to = Math.min(backward.ranges().to()[example], positions);
      System.arraycopy(lookedUp[example], from, rows, direction * positions + from, to - from);
    }
    Scratch.run(
        () -> {
          NDArray wanted = manager.create(rows, new Shape(slots.length, 1, positions));
          NDArray members = slotRows.eq(wanted).toType(DataType.FLOAT32, false);
          gradients.addi(members.matMul(more));
        });
  }

  @Override
  public void add(int direction, List<Integer> rows, NDArray more) {
    int[] wanted = rows.stream().mapToInt(Integer::intValue).toArray();
    Scratch.run(
        () -> {
          NDArray members =
              of(direction, slotRows)
                  .eq(manager.create(wanted, new Shape(1, wanted.length)))
                  .toType(DataType.FLOAT32, false);
          of(direction, gradients).addi(members.matMul(more));
        });
  }

  /** One direction's part, a view. */
  private static NDArray of(int direction, NDArray array) {
    return array.get(new NDIndex().addIndices(direction));
  }

  @Override
  public void addSquares(LoadedParameter table, Squaring squaring, SquaredSums sums) {
    TiledSquares target = sums.tiled(table);
    if (squaring == Squaring.TOTAL) {
      Scratch.run(() -> addSquaredTotal(target));
      return;
    }
    for (int direction = 0; direction < slots.length; direction++) {
      int[] rows = slots[direction];
      NDArray all = of(direction, gradients);
      Scratch.run(() -> target.addRowSquares(rows, all.get(NDIndex.sliceAxis(0, 0, rows.length))));
    }
  }

  private void addSquaredTotal(TiledSquares target) {
    int[] rows = Arrays.stream(slots).flatMapToInt(Arrays::stream).distinct().sorted().toArray();
    NDArray wanted = manager.create(rows, new Shape(1, rows.length, 1));
    NDArray members = wanted.eq(slotRows.transpose(0, 2, 1)).toType(DataType.FLOAT32, false);
    target.addRowSquares(rows, members.matMul(gradients).sum(new int[] {0}));
  }
}
