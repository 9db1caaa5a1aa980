package io.fisherstreams.fisher;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The loops of {@link FisherMerge} and {@link FisherSum} with the machine's vectors. Products and
 * sums are rounded one by one, as there, never fused: the bits are the same.
 */
final class VectorSums {
  private static final VectorSpecies<Double> WIDE = DoubleVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Float> NARROW =
      VectorSpecies.of(float.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 2));

  private VectorSums() {}

  static void add(
      double[] upper,
      double[] lower,
      float[] theta,
      float[] fisher,
      double scale,
      double bias,
      int elements) {
    int end = WIDE.loopBound(elements);
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector w = widen(fisher, j).mul(scale).add(bias);
      DoubleVector.fromArray(WIDE, upper, j).add(w.mul(widen(theta, j))).intoArray(upper, j);
      DoubleVector.fromArray(WIDE, lower, j).add(w).intoArray(lower, j);
    }
    FisherMerge.add(upper, lower, theta, fisher, scale, bias, end, elements);
  }

  /**
   * Adds {@code multiplier · values[j]} to the first pairs of a {@link FisherSum} and returns how
   * many: the rest does not fill a vector.
   */
  static int addExactly(
      double[] high, double[] low, float[] values, double multiplier, int elements) {
    int end = WIDE.loopBound(elements);
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector term = widen(values, j).mul(multiplier);
      DoubleVector before = DoubleVector.fromArray(WIDE, high, j);
      DoubleVector sum = before.add(term);
      DoubleVector part = sum.sub(before);
      DoubleVector error = before.sub(sum.sub(part)).add(term.sub(part));
      DoubleVector rest = DoubleVector.fromArray(WIDE, low, j).add(error);
      DoubleVector total = sum.add(rest);
      total.intoArray(high, j);
      rest.sub(total.sub(sum)).intoArray(low, j);
    }
    return end;
  }

  private static DoubleVector widen(float[] values, int first) {
    return (DoubleVector)
        FloatVector.fromArray(NARROW, values, first).convertShape(VectorOperators.F2D, WIDE, 0);
  }
}
