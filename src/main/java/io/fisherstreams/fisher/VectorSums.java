package io.fisherstreams.fisher;

import io.fisherstreams.checkpoint.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.ShortVector;
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

  private static final VectorSpecies<Integer> BITS = NARROW.withLanes(int.class);

  // The smallest vectors have 64 bits.
  private static final VectorSpecies<Short> QUARTER =
      WIDE.vectorBitSize() < 256
          ? null
          : VectorSpecies.of(short.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 4));

  private VectorSums() {}

  /**
   * Adds the first entries of a model to the sums of a {@link FisherMerge} and returns how many:
   * the rest does not fill a vector, or its type has no loop here. Reading the payloads where they
   * lie, instead of copying a block first, lets the machine wait for memory while it computes.
   */
  static int add(
      double[] upper,
      double[] lower,
      DType type,
      ByteBuffer theta,
      ByteBuffer fisher,
      double scale,
      double bias,
      int elements) {
    int end = WIDE.loopBound(elements);
    if (type == DType.F32) {
      for (int j = 0; j < end; j += WIDE.length()) {
        add(upper, lower, j, widen(theta, j), widen(fisher, j).mul(scale).add(bias));
      }
      return end;
    }
    if (type == DType.BF16 && QUARTER != null) {
      for (int j = 0; j < end; j += WIDE.length()) {
        add(upper, lower, j, widenBfloat16(theta, j), widen(fisher, j).mul(scale).add(bias));
      }
      return end;
    }
    return 0;
  }

  private static void add(
      double[] upper, double[] lower, int j, DoubleVector theta, DoubleVector w) {
    DoubleVector.fromArray(WIDE, upper, j).add(w.mul(theta)).intoArray(upper, j);
    DoubleVector.fromArray(WIDE, lower, j).add(w).intoArray(lower, j);
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
    return widen(FloatVector.fromArray(NARROW, values, first));
  }

  private static DoubleVector widen(ByteBuffer values, int first) {
    return widen(
        FloatVector.fromByteBuffer(NARROW, values, first * Float.BYTES, ByteOrder.LITTLE_ENDIAN));
  }

  private static DoubleVector widenBfloat16(ByteBuffer values, int first) {
    return widen(
        ShortVector.fromByteBuffer(QUARTER, values, first * Short.BYTES, ByteOrder.LITTLE_ENDIAN)
            .convertShape(VectorOperators.S2I, BITS, 0)
            .reinterpretAsInts()
            .lanewise(VectorOperators.LSHL, Short.SIZE)
            .reinterpretAsFloats());
  }

  private static DoubleVector widen(FloatVector values) {
    return (DoubleVector) values.convertShape(VectorOperators.F2D, WIDE, 0);
  }
}
