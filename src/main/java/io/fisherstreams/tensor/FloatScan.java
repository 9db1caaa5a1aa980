package io.fisherstreams.tensor;

import java.nio.ByteBuffer;
import java.nio.LongBuffer;

/**
 * Searches the little-endian bytes of a floating tensor for values that a merge cannot use.
 *
 * <p>Every method treats the bytes as little-endian, whatever {@link ByteBuffer#order()} says, and
 * leaves the buffer's position, limit and order alone. All methods throw {@link
 * IndexOutOfBoundsException} when the buffer is too short and {@link IllegalArgumentException} for
 * a dtype that is not {@linkplain DType#mergeable() mergeable}.
 */
public final class FloatScan {
  private FloatScan() {}

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
   * Index of the first element that cannot be in a diagonal Fisher (a negative number, a NaN, an
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
   * Tests all elements of a long at once. The bits of an IEEE number without the sign are its
   * magnitude, and magnitudes are ordered as integers. Adding a constant lifts exactly the
   * magnitudes from a threshold on into the sign bit, and never carries into the next element.
   */
  private static long scan(DType dtype, ByteBuffer source, int elements, Fault fault) {
    int width = 8 * dtype.bytes();
    long infinity =
        switch (dtype) {
          case F64 -> 0x7FF0_0000_0000_0000L;
          case F32 -> 0x7F80_0000L;
          case BF16 -> 0x7F80L;
          case F16 -> 0x7C00L;
          default -> throw FloatBytes.notFloating(dtype);
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
    boolean rejectNegative = fault == Fault.NEGATIVE_OR_NOT_FINITE;
    long ofSigned = rejectNegative ? -1L : 0L;

    ByteBuffer bytes = FloatBytes.view(dtype, source, source.position(), elements);
    int perLong = 8 / dtype.bytes();
    int longs = elements / perLong;
    LongBuffer buffer = bytes.asLongBuffer();
    long[] chunk = new long[FloatBytes.chunkLength(longs)];
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
      if (magnitude >= firstBad || (rejectNegative && bits < 0 && magnitude != 0)) {
        return i;
      }
    }
    return -1;
  }
}
