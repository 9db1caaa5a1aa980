package io.fisherstreams.gradient.model;

import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorSpecies;

/** The inner loop of {@link SquaredProducts}: one tile of a product, which stays in registers. */
final class VectorProducts {
  private static final VectorSpecies<Float> LANES = FloatVector.SPECIES_PREFERRED;
  private static final int HALF = LANES.length();

  /** Columns of a tile. */
  static final int TILE_COLUMNS = 2 * HALF;

  private VectorProducts() {}

  /**
   * Adds the squares of aᵀ·b to a tile of sums. Four rows of two vectors: their sums, two vectors
   * of b and one element of a fit the 16 registers of AVX2, and keep its two adders busy.
   *
   * @param sums the tile from {@code at} on, its rows {@code stride} apart
   * @param a (rows, {@value SquaredProducts#TILE_ROWS}) from {@code aAt} on
   * @param b (rows, {@link #TILE_COLUMNS}) from {@code bAt} on
   */
  static void addTile(
      float[] sums, int at, int stride, float[] a, int aAt, float[] b, int bAt, int rows) {
    FloatVector s00 = FloatVector.zero(LANES);
    FloatVector s01 = s00;
    FloatVector s10 = s00;
    FloatVector s11 = s00;
    FloatVector s20 = s00;
    FloatVector s21 = s00;
    FloatVector s30 = s00;
    FloatVector s31 = s00;
    int i = aAt;
    int j = bAt;
    for (int row = 0; row < rows; row++) {
      FloatVector b0 = FloatVector.fromArray(LANES, b, j);
      FloatVector b1 = FloatVector.fromArray(LANES, b, j + HALF);
      FloatVector x = FloatVector.broadcast(LANES, a[i]);
      s00 = x.fma(b0, s00);
      s01 = x.fma(b1, s01);
      x = FloatVector.broadcast(LANES, a[i + 1]);
      s10 = x.fma(b0, s10);
      s11 = x.fma(b1, s11);
      x = FloatVector.broadcast(LANES, a[i + 2]);
      s20 = x.fma(b0, s20);
      s21 = x.fma(b1, s21);
      x = FloatVector.broadcast(LANES, a[i + 3]);
      s30 = x.fma(b0, s30);
      s31 = x.fma(b1, s31);
      i += SquaredProducts.TILE_ROWS;
      j += TILE_COLUMNS;
    }
    addSquares(sums, at, s00, s01);
    addSquares(sums, at + stride, s10, s11);
    addSquares(sums, at + 2 * stride, s20, s21);
    addSquares(sums, at + 3 * stride, s30, s31);
  }

  private static void addSquares(float[] sums, int at, FloatVector left, FloatVector right) {
    left.fma(left, FloatVector.fromArray(LANES, sums, at)).intoArray(sums, at);
    right.fma(right, FloatVector.fromArray(LANES, sums, at + HALF)).intoArray(sums, at + HALF);
  }
}
