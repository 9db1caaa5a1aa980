package io.fisherstreams.tensor;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.LongBuffer;
import java.nio.ShortBuffer;

/**
 * Conversions between the little-endian bytes of a floating tensor and Java arrays, and scans for
 * values that a merge cannot take.
 *
 * <p>Every method reads little-endian, whatever {@link ByteBuffer#order()} says, and leaves the
 * buffer's position, limit and order alone. Positions are in bytes, offsets and lengths in
 * elements. All methods throw {@link IndexOutOfBoundsException} when buffer or array are too short
 * and {@link IllegalArgumentException} for a dtype that is not {@linkplain DType#mergeable()
 * mergeable}.
 */
public final class FloatCodec {
  // Bytes go through a small array by bulk copies, the only heap a call takes (at most 8 KiB).
  // Element-wise access to a buffer is a virtual call that JIT-compiles badly once both heap and
  // mapped buffers have been seen: 1.8 to 3.8 ns an element against 0.3 this way.
  private static final int CHUNK = 1024;

  private static final long F64_INFINITY = 0x7FF0_0000_0000_0000L;

  private FloatCodec() {}

  /**
   * Widens to float64, exactly for every dtype.
   *
   * @param source the tensor's bytes
   * @param sourcePosition byte at which the first element lies
   * @param targetOffset element of {@code target} that takes the first element
   * @param elements how many elements
   */
  public static void toDouble(
      DType dtype,
      ByteBuffer source,
      int sourcePosition,
      double[] target,
      int targetOffset,
      int elements) {
    ByteBuffer bytes = view(dtype, source, sourcePosition, elements);
    if (dtype == DType.F64) {
      bytes.asDoubleBuffer().get(target, targetOffset, elements);
      return;
    }
    float[] chunk = new float[Math.min(elements, CHUNK)];
    for (int done = 0; done < elements; done += chunk.length) {
      int n = Math.min(chunk.length, elements - done);
      toFloat(dtype, bytes, done * dtype.bytes(), chunk, 0, n);
      for (int i = 0; i < n; i++) {
        target[targetOffset + done + i] = chunk[i];
      }
    }
  }

  /**
   * Converts to float32: exactly for F32, F16 and BF16, rounded to nearest even for F64.
   *
   * @param source the tensor's bytes
   * @param sourcePosition byte at which the first element lies
   * @param targetOffset element of {@code target} that takes the first element
   * @param elements how many elements
   */
  public static void toFloat(
      DType dtype,
      ByteBuffer source,
      int sourcePosition,
      float[] target,
      int targetOffset,
      int elements) {
    ByteBuffer bytes = view(dtype, source, sourcePosition, elements);
    switch (dtype) {
      case F64 -> {
        DoubleBuffer doubles = bytes.asDoubleBuffer();
        double[] chunk = new double[Math.min(elements, CHUNK)];
        for (int done = 0; done < elements; done += chunk.length) {
          int n = Math.min(chunk.length, elements - done);
          doubles.get(chunk, 0, n);
          for (int i = 0; i < n; i++) {
            target[targetOffset + done + i] = (float) chunk[i];
          }
        }
      }
      case F32 -> bytes.asFloatBuffer().get(target, targetOffset, elements);
      case BF16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[Math.min(elements, CHUNK)];
        for (int done = 0; done < elements; done += chunk.length) {
          int n = Math.min(chunk.length, elements - done);
          shorts.get(chunk, 0, n);
          for (int i = 0; i < n; i++) {
            target[targetOffset + done + i] = bfloat16ToFloat(chunk[i]);
          }
        }
      }
      case F16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[Math.min(elements, CHUNK)];
        for (int done = 0; done < elements; done += chunk.length) {
          int n = Math.min(chunk.length, elements - done);
          shorts.get(chunk, 0, n);
          for (int i = 0; i < n; i++) {
            target[targetOffset + done + i] = float16ToFloat(chunk[i]);
          }
        }
      }
      default -> throw notFloating(dtype);
    }
  }

  /**
   * Rounds float64 once, to nearest even, and writes it little-endian. Beyond the type's range
   * becomes infinity, below its normal range a subnormal or zero; the sign of zero stays, and a NaN
   * stays a NaN.
   *
   * @param source the values
   * @param offset element of {@code source} to begin with
   * @param elements how many elements
   * @param targetPosition byte of {@code target} at which the first element goes
   */
  public static void fromDouble(
      DType dtype,
      double[] source,
      int offset,
      int elements,
      ByteBuffer target,
      int targetPosition) {
    ByteBuffer bytes = view(dtype, target, targetPosition, elements);
    int first =
        VectorUnit.IS_USABLE ? VectorFloatCodec.round(dtype, source, offset, elements, bytes) : 0;
    roundPlainly(
        dtype, source, offset + first, elements - first, bytes.position(first * dtype.bytes()));
  }

  /** Rounds to the bytes from the buffer's position on. */
  private static void roundPlainly(
      DType dtype, double[] source, int offset, int elements, ByteBuffer bytes) {
    switch (dtype) {
      case F64 -> bytes.asDoubleBuffer().put(source, offset, elements);
      case F32 -> {
        FloatBuffer floats = bytes.asFloatBuffer();
        float[] chunk = new float[Math.min(elements, CHUNK)];
        for (int done = 0; done < elements; done += chunk.length) {
          int n = Math.min(chunk.length, elements - done);
          for (int i = 0; i < n; i++) {
            chunk[i] = (float) source[offset + done + i];
          }
          floats.put(chunk, 0, n);
        }
      }
      case BF16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[Math.min(elements, CHUNK)];
        for (int done = 0; done < elements; done += chunk.length) {
          int n = Math.min(chunk.length, elements - done);
          for (int i = 0; i < n; i++) {
            chunk[i] = toBfloat16(source[offset + done + i]);
          }
          shorts.put(chunk, 0, n);
        }
      }
      case F16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[Math.min(elements, CHUNK)];
        for (int done = 0; done < elements; done += chunk.length) {
          int n = Math.min(chunk.length, elements - done);
          for (int i = 0; i < n; i++) {
            chunk[i] = toFloat16(source[offset + done + i]);
          }
          shorts.put(chunk, 0, n);
        }
      }
      default -> throw notFloating(dtype);
    }
  }

  /**
   * Index of the first NaN or infinity among the elements that begin at the buffer's position, or
   * -1.
   */
  public static long firstNotFinite(DType dtype, ByteBuffer source, int elements) {
    return scan(dtype, source, elements, Fault.NOT_FINITE);
  }

  /** Index of the first NaN among the elements that begin at the buffer's position, or -1. */
  public static long firstNaN(DType dtype, ByteBuffer source, int elements) {
    return scan(dtype, source, elements, Fault.NAN);
  }

  /**
   * Index of the first element that no diagonal Fisher may hold (a negative one, a NaN, an
   * infinity), among those that begin at the buffer's position, or -1. Negative zero is a zero.
   */
  public static long firstNegativeOrNotFinite(DType dtype, ByteBuffer source, int elements) {
    return scan(dtype, source, elements, Fault.NEGATIVE_OR_NOT_FINITE);
  }

  private enum Fault {
    NOT_FINITE,
    NAN,
    NEGATIVE_OR_NOT_FINITE
  }

  /**
   * All elements of a long are tested at once. An IEEE number's bits without the sign are its
   * magnitude, ordered as integers; adding a constant that lifts exactly the magnitudes from a
   * threshold on into the sign bit never carries into the next element.
   */
  private static long scan(DType dtype, ByteBuffer source, int elements, Fault fault) {
    int width = 8 * dtype.bytes();
    long infinity =
        switch (dtype) {
          case F64 -> F64_INFINITY;
          case F32 -> 0x7F80_0000L;
          case BF16 -> 0x7F80L;
          case F16 -> 0x7C00L;
          default -> throw notFloating(dtype);
        };
    long signOfOne = 1L << (width - 1);
    long one = -1L >>> (64 - width);
    long every = Long.divideUnsigned(-1L, one);
    long magnitudes = every * (signOfOne - 1);
    long signs = ~magnitudes;
    long firstBad = fault == Fault.NAN ? infinity + 1 : infinity;
    long lift = every * (signOfOne - firstBad);
    // With the sign bit set, a magnitude from 1 on is a negative number.
    long liftNegative = magnitudes;
    boolean refuseNegative = fault == Fault.NEGATIVE_OR_NOT_FINITE;
    long ofSigned = refuseNegative ? -1L : 0L;

    ByteBuffer bytes = view(dtype, source, source.position(), elements);
    int perLong = 8 / dtype.bytes();
    int longs = elements / perLong;
    LongBuffer buffer = bytes.asLongBuffer();
    long[] chunk = new long[Math.min(longs, CHUNK)];
    for (int done = 0; done < longs; done += chunk.length) {
      int n = Math.min(chunk.length, longs - done);
      buffer.get(chunk, 0, n);
      long bad = 0;
      for (int i = 0; i < n; i++) {
        long bits = chunk[i];
        long magnitude = bits & magnitudes;
        bad |= (magnitude + lift) | (bits & (magnitude + liftNegative) & ofSigned);
      }
      if ((bad & signs) != 0) {
        for (int i = 0; i < n; i++) {
          long bits = chunk[i];
          long magnitude = bits & magnitudes;
          long found =
              ((magnitude + lift) | (bits & (magnitude + liftNegative) & ofSigned)) & signs;
          if (found != 0) {
            return (long) (done + i) * perLong + Long.numberOfTrailingZeros(found) / width;
          }
        }
      }
    }
    for (int i = longs * perLong; i < elements; i++) {
      long bits = dtype == DType.F32 ? bytes.getInt(4 * i) : bytes.getShort(2 * i);
      long magnitude = bits & (signOfOne - 1);
      if (magnitude >= firstBad || (refuseNegative && bits < 0 && magnitude != 0)) {
        return i;
      }
    }
    return -1;
  }

  private static float bfloat16ToFloat(short bits) {
    return Float.intBitsToFloat(bits << 16);
  }

  private static float float16ToFloat(short bits) {
    int sign = (bits & 0x8000) << 16;
    int magnitude = bits & 0x7FFF;
    if (magnitude >= 0x7C00) {
      return Float.intBitsToFloat(sign | 0x7F80_0000 | (magnitude << 13));
    }
    if (magnitude < 0x0400) {
      // A subnormal is its bits times 2^-24, which float32 holds as a normal number.
      return Float.intBitsToFloat(sign | Float.floatToRawIntBits(magnitude * 0x1p-24f));
    }
    return Float.intBitsToFloat(sign | ((magnitude << 13) + ((127 - 15) << 23)));
  }

  /** Smallest normal bfloat16, 2^-126, and first power of two beyond its range, 2^128. */
  static final long BF16_NORMAL = (1023L - 126) << 52;

  static final long BF16_BEYOND = (1023L + 128) << 52;

  /** Between the exponents of a float64 and of the same bfloat16. */
  static final long BF16_REBIAS = (1023L - 127) << 52;

  /** Bits of a float64's significand that a bfloat16 has not. */
  static final int BF16_DROP = 45;

  static short toBfloat16(double value) {
    long bits = Double.doubleToRawLongBits(value);
    long magnitude = bits & Long.MAX_VALUE;
    long sign = (bits >>> 48) & 0x8000;
    if (magnitude >= BF16_NORMAL && magnitude < BF16_BEYOND) {
      return (short) (sign | roundToEven(magnitude - BF16_REBIAS, BF16_DROP));
    }
    if (magnitude < BF16_NORMAL) {
      // Scaling by a power of two is exact here; rint rounds to nearest even, and its integer is
      // the subnormal's bit pattern (or that of the smallest normal number).
      return (short) (sign | (long) Math.rint(Double.longBitsToDouble(magnitude) * 0x1p133));
    }
    return (short) (sign | (magnitude > F64_INFINITY ? 0x7FC0 : 0x7F80));
  }

  /** Smallest normal float16, 2^-14, and first power of two beyond its range, 2^16. */
  private static final long F16_NORMAL = (1023L - 14) << 52;

  private static final long F16_BEYOND = (1023L + 16) << 52;

  private static short toFloat16(double value) {
    long bits = Double.doubleToRawLongBits(value);
    long magnitude = bits & Long.MAX_VALUE;
    long sign = (bits >>> 48) & 0x8000;
    if (magnitude >= F16_NORMAL && magnitude < F16_BEYOND) {
      return (short) (sign | roundToEven(magnitude - ((1023L - 15) << 52), 42));
    }
    if (magnitude < F16_NORMAL) {
      return (short) (sign | (long) Math.rint(Double.longBitsToDouble(magnitude) * 0x1p24));
    }
    return (short) (sign | (magnitude > F64_INFINITY ? 0x7E00 : 0x7C00));
  }

  /**
   * Drops the low bits of a magnitude, rounding to nearest even. A carry out of the significand
   * raises the exponent, and beyond the largest finite number gives infinity's bits, as it should.
   */
  private static long roundToEven(long magnitude, int drop) {
    long last = (magnitude >>> drop) & 1;
    return (magnitude + ((1L << (drop - 1)) - 1) + last) >>> drop;
  }

  private static ByteBuffer view(DType dtype, ByteBuffer buffer, int position, int elements) {
    if (!dtype.mergeable()) {
      throw notFloating(dtype);
    }
    if ((long) elements * dtype.bytes() > buffer.limit() - (long) position) {
      throw new IndexOutOfBoundsException(
          "%d elements of %s from byte %d of %d"
              .formatted(elements, dtype, position, buffer.limit()));
    }
    return buffer.slice(position, elements * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
  }

  private static IllegalArgumentException notFloating(DType dtype) {
    return new IllegalArgumentException(dtype + " is no floating type that can be converted");
  }
}
