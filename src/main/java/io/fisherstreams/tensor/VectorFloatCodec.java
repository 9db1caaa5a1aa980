package io.fisherstreams.tensor;

import static io.fisherstreams.tensor.VectorShapes.HALF;
import static io.fisherstreams.tensor.VectorShapes.QUARTER;
import static io.fisherstreams.tensor.VectorShapes.WIDE;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorMask;
import jdk.incubator.vector.VectorOperators;

/**
 * The rounding of {@link FloatCodec#fromDouble} with the processor's vectors. Gives the same bits
 * as the plain loop.
 */
final class VectorFloatCodec {
  private VectorFloatCodec() {}

  /**
   * Rounds as many of the first elements as fill whole vectors, and writes them from the beginning
   * of {@code target} on.
   *
   * @return how many elements it wrote: 0 for a type that has no loop here
   */
  static int round(DType dtype, double[] source, int offset, int elements, ByteBuffer target) {
    int end = WIDE.loopBound(elements);
    if (dtype == DType.F32) {
      toFloat32(source, offset, end, target);
      return end;
    }
    if (dtype == DType.BF16 && QUARTER != null) {
      for (int j = 0; j < end; j += WIDE.length()) {
        toBfloat16(source, offset + j, target, j * Short.BYTES);
      }
      return end;
    }
    return 0;
  }

  private static void toFloat32(double[] source, int offset, int end, ByteBuffer target) {
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector.fromArray(WIDE, source, offset + j)
          .convertShape(VectorOperators.D2F, HALF, 0)
          .intoByteBuffer(target, j * Float.BYTES, ByteOrder.LITTLE_ENDIAN);
    }
  }

  private static void toBfloat16(double[] source, int offset, ByteBuffer target, int position) {
    LongVector bits = DoubleVector.fromArray(WIDE, source, offset).reinterpretAsLongs();
    LongVector magnitude = bits.and(Long.MAX_VALUE);
    VectorMask<Long> isNormal =
        magnitude
            .compare(VectorOperators.GE, SixteenBitFloats.BF16_MIN_NORMAL)
            .and(magnitude.compare(VectorOperators.LT, SixteenBitFloats.BF16_BEYOND));
    if (!isNormal.allTrue()) {
      for (int lane = 0; lane < WIDE.length(); lane++) {
        target.putShort(
            position + lane * Short.BYTES, SixteenBitFloats.toBfloat16(source[offset + lane]));
      }
      return;
    }
    LongVector last = magnitude.lanewise(VectorOperators.LSHR, SixteenBitFloats.BF16_DROP).and(1);
    bits.lanewise(VectorOperators.LSHR, 48)
        .and(0x8000)
        .or(
            magnitude
                .sub(SixteenBitFloats.BF16_REBIAS - (1L << (SixteenBitFloats.BF16_DROP - 1)) + 1)
                .add(last)
                .lanewise(VectorOperators.LSHR, SixteenBitFloats.BF16_DROP))
        .convertShape(VectorOperators.L2S, QUARTER, 0)
        .intoByteBuffer(target, position, ByteOrder.LITTLE_ENDIAN);
  }
}
