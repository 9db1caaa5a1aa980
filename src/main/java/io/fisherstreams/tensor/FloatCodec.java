package io.fisherstreams.tensor;

import static io.fisherstreams.tensor.FloatBytes.chunkLength;
import static io.fisherstreams.tensor.FloatBytes.inChunks;
import static io.fisherstreams.tensor.FloatBytes.notFloating;
import static io.fisherstreams.tensor.FloatBytes.view;

import java.nio.ByteBuffer;
import java.nio.DoubleBuffer;
import java.nio.FloatBuffer;
import java.nio.ShortBuffer;

/**
 * Conversions between the little-endian bytes of a floating tensor and Java arrays.
 *
 * <p>Every method treats the bytes as little-endian, whatever {@link ByteBuffer#order()} says, and
 * leaves the buffer's position, limit and order alone. Positions are in bytes, offsets and lengths
 * in elements. All methods throw {@link IndexOutOfBoundsException} when buffer or array are too
 * short and {@link IllegalArgumentException} for a dtype that is not {@linkplain DType#mergeable()
 * mergeable}.
 */
public final class FloatCodec {
  private FloatCodec() {}

  /** One element, widened to float64. */
  public static double toDouble(DType dtype, ByteBuffer source, int index) {
    double[] value = new double[1];
    toDouble(dtype, source, index * dtype.bytes(), value, 0, 1);
    return value[0];
  }

  /**
   * Widens to float64, exactly for every dtype.
   *
   * @param source the tensor's bytes
   * @param sourcePosition byte at which the first element begins
   * @param targetOffset element of {@code target} that receives the first element
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
    float[] chunk = new float[chunkLength(elements)];
    inChunks(
        elements,
        (first, n) -> {
          toFloat(dtype, bytes, first * dtype.bytes(), chunk, 0, n);
          for (int i = 0; i < n; i++) {
            target[targetOffset + first + i] = chunk[i];
          }
        });
  }

  /**
   * Converts to float32: exactly for F32, F16 and BF16, rounded to nearest even for F64.
   *
   * @param source the tensor's bytes
   * @param sourcePosition byte at which the first element begins
   * @param targetOffset element of {@code target} that receives the first element
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
        double[] chunk = new double[chunkLength(elements)];
        inChunks(
            elements,
            (first, n) -> {
              doubles.get(chunk, 0, n);
              for (int i = 0; i < n; i++) {
                target[targetOffset + first + i] = (float) chunk[i];
              }
            });
      }
      case F32 -> bytes.asFloatBuffer().get(target, targetOffset, elements);
      case BF16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[chunkLength(elements)];
        inChunks(
            elements,
            (first, n) -> {
              shorts.get(chunk, 0, n);
              for (int i = 0; i < n; i++) {
                target[targetOffset + first + i] = SixteenBitFloats.fromBfloat16(chunk[i]);
              }
            });
      }
      case F16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[chunkLength(elements)];
        inChunks(
            elements,
            (first, n) -> {
              shorts.get(chunk, 0, n);
              for (int i = 0; i < n; i++) {
                target[targetOffset + first + i] = SixteenBitFloats.fromFloat16(chunk[i]);
              }
            });
      }
      default -> throw notFloating(dtype);
    }
  }

  /**
   * Rounds float64 once, to nearest even, and writes it little-endian. A number beyond the type's
   * range becomes infinity, one below its normal range a subnormal or zero; zero keeps its sign,
   * and NaN stays NaN.
   *
   * @param source the values
   * @param offset element of {@code source} to begin with
   * @param elements how many elements
   * @param targetPosition byte of {@code target} at which the first element begins
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
        float[] chunk = new float[chunkLength(elements)];
        inChunks(
            elements,
            (first, n) -> {
              for (int i = 0; i < n; i++) {
                chunk[i] = (float) source[offset + first + i];
              }
              floats.put(chunk, 0, n);
            });
      }
      case BF16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[chunkLength(elements)];
        inChunks(
            elements,
            (first, n) -> {
              for (int i = 0; i < n; i++) {
                chunk[i] = SixteenBitFloats.toBfloat16(source[offset + first + i]);
              }
              shorts.put(chunk, 0, n);
            });
      }
      case F16 -> {
        ShortBuffer shorts = bytes.asShortBuffer();
        short[] chunk = new short[chunkLength(elements)];
        inChunks(
            elements,
            (first, n) -> {
              for (int i = 0; i < n; i++) {
                chunk[i] = SixteenBitFloats.toFloat16(source[offset + first + i]);
              }
              shorts.put(chunk, 0, n);
            });
      }
      default -> throw notFloating(dtype);
    }
  }
}
