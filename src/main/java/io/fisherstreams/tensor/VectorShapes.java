package io.fisherstreams.tensor;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Vector types that have as many lanes as a vector of float64. See {@link VectorUnit}. */
public final class VectorShapes {
  /** Float64, as many as the processor's longest vector holds. */
  public static final VectorSpecies<Double> WIDE = DoubleVector.SPECIES_PREFERRED;

  /** The same number of float32. */
  public static final VectorSpecies<Float> HALF =
      VectorSpecies.of(float.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 2));

  /**
   * The same number of 16-bit numbers; null where that is less than the smallest vector, 64 bits.
   */
  public static final VectorSpecies<Short> QUARTER =
      WIDE.vectorBitSize() < 256
          ? null
          : VectorSpecies.of(short.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 4));

  private VectorShapes() {}
}
