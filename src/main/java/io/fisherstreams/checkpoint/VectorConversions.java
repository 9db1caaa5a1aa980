package io.fisherstreams.checkpoint;

import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorShape;
import jdk.incubator.vector.VectorSpecies;

/** The loop of {@link Numbers#widenBfloat16} with the machine's vectors. */
final class VectorConversions {
  private static final VectorSpecies<Integer> WIDE = IntVector.SPECIES_PREFERRED;
  private static final VectorSpecies<Short> NARROW =
      VectorSpecies.of(short.class, VectorShape.forBitSize(WIDE.vectorBitSize() / 2));

  private VectorConversions() {}

  /** Widens the first elements and returns how many: the rest does not fill a vector. */
  static int widenBfloat16(short[] source, float[] target, int targetOffset, int elements) {
    int end = WIDE.loopBound(elements);
    for (int i = 0; i < end; i += WIDE.length()) {
      ShortVector.fromArray(NARROW, source, i)
          .convertShape(VectorOperators.S2I, WIDE, 0)
          .reinterpretAsInts()
          .lanewise(VectorOperators.LSHL, 16)
          .reinterpretAsFloats()
          .intoArray(target, targetOffset + i);
    }
    return end;
  }
}
