package io.fisherstreams.tensor;

import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** Vectors with as many lanes as the machine's vectors of float64. See {@link VectorUnit}. */
public final class VectorShapes {
  /** Vectors of float64, as long as the machine has them. */
  public static final VectorSpecies<Double> WIDE = DoubleVector.SPECIES_PREFERRED;

  /** As many float32. */
  public static final VectorSpecies<Float> HALF =
      VectorSpecies.of(float.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 2));

  /** As many numbers of 16 bits; null where they would be below the smallest vector's 64 bits. */
  public static final VectorSpecies<Short> QUARTER =
      WIDE.vectorBitSize() < 256
          ? null
          : VectorSpecies.of(short.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 4));

  private VectorShapes() {}
}
