package io.fisherstreams.tensor;

/**
 * Converts single bfloat16 and float16 numbers, each given by its bits. Rounding is to nearest
 * even, once, from float64. A number beyond the range becomes infinity, one below the normal range
 * a subnormal or zero; zero keeps its sign and NaN stays NaN.
 */
final class SixteenBitFloats {
  /** Bits of the smallest normal bfloat16, 2^-126, as a float64. */
  static final long BF16_MIN_NORMAL = (1023L - 126) << 52;

  /** Bits of the first power of two beyond the range of bfloat16, 2^128, as a float64. */
  static final long BF16_BEYOND = (1023L + 128) << 52;

  /** The difference between a float64's exponent and the same bfloat16's, in float64 bits. */
  static final long BF16_REBIAS = (1023L - 127) << 52;

  /** How many more bits a float64's significand has than a bfloat16's. */
  static final int BF16_DROP = 45;

  /** As above for float16, whose range is 2^-14 to 2^16. */
  private static final long F16_MIN_NORMAL = (1023L - 14) << 52;

  private static final long F16_BEYOND = (1023L + 16) << 52;
  private static final long F16_REBIAS = (1023L - 15) << 52;
  private static final int F16_DROP = 42;

  private static final long F64_INFINITY = 0x7FF0_0000_0000_0000L;

  private SixteenBitFloats() {}

  static float fromBfloat16(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  static float fromFloat16(short bits) {
    int sign = (bits & 0x8000) << 16;
    int magnitude = bits & 0x7FFF;
    if (magnitude >= 0x7C00) {
      return Float.intBitsToFloat(sign | 0x7F80_0000 | (magnitude << 13));
    }
    if (magnitude < 0x0400) {
      // A subnormal is its bits times 2^-24, which is a normal number in float32.
      return Float.intBitsToFloat(sign | Float.floatToRawIntBits(magnitude * 0x1p-24f));
    }
    return Float.intBitsToFloat(sign | ((magnitude << 13) + ((127 - 15) << 23)));
  }

  static short toBfloat16(double value) {
    long bits = Double.doubleToRawLongBits(value);
    long magnitude = bits & Long.MAX_VALUE;
    long sign = (bits >>> 48) & 0x8000;
    if (magnitude >= BF16_MIN_NORMAL && magnitude < BF16_BEYOND) {
      return (short) (sign | roundToEven(magnitude - BF16_REBIAS, BF16_DROP));
    }
    if (magnitude < BF16_MIN_NORMAL) {
      // Scaling by a power of two is exact here; rint rounds to nearest even, and its integer is
      // the subnormal's bit pattern (or that of the smallest normal number).
      return (short) (sign | (long) Math.rint(Double.longBitsToDouble(magnitude) * 0x1p133));
    }
    return (short) (sign | (magnitude > F64_INFINITY ? 0x7FC0 : 0x7F80));
  }

  static short toFloat16(double value) {
    long bits = Double.doubleToRawLongBits(value);
    long magnitude = bits & Long.MAX_VALUE;
    long sign = (bits >>> 48) & 0x8000;
    if (magnitude >= F16_MIN_NORMAL && magnitude < F16_BEYOND) {
      return (short) (sign | roundToEven(magnitude - F16_REBIAS, F16_DROP));
    }
    if (magnitude < F16_MIN_NORMAL) {
      return (short) (sign | (long) Math.rint(Double.longBitsToDouble(magnitude) * 0x1p24));
    }
    return (short) (sign | (magnitude > F64_INFINITY ? 0x7E00 : 0x7C00));
  }

  /**
   * Drops the low bits of a magnitude, rounding to nearest even. A carry out of the significand
   * raises the exponent; beyond the largest finite number it gives infinity's bits, which is right.
   */
  private static long roundToEven(long magnitude, int drop) {
    long last = (magnitude >>> drop) & 1;
    return (magnitude + ((1L << (drop - 1)) - 1) + last) >>> drop;
  }
}
