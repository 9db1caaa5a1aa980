package io.fisherstreams.fisher;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/**
 * The loop of {@link FisherMerge} with the machine's vectors. Products and sums are rounded one by
 * one, as there, never fused: the bits are the same.
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

  private static DoubleVector widen(float[] values, int first) {
    return (DoubleVector)
        FloatVector.fromArray(NARROW, values, first).convertShape(VectorOperators.F2D, WIDE, 0);
  }
}
