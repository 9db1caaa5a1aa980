package io.fisherstreams.gradient.example;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;
import java.util.Locale;

/**
 * One input of one example.
 *
 * @param dtype element type
 * @param shape without the batch dimension; empty for a scalar
 * @param bytes the elements, little-endian, row-major, from position 0 to limit
 */
public record InputTensor(DType dtype, List<Long> shape, ByteBuffer bytes) {

  /** Rejects bytes that do not fit dtype and shape with {@link IllegalArgumentException}. */
  public InputTensor {
    shape = List.copyOf(shape);
    long elements = shape.stream().reduce(1L, Math::multiplyExact);
    if (bytes.remaining() != elements * dtype.bytes()) {
      throw new IllegalArgumentException(
          String.format(
              Locale.ROOT, "%d bytes for shape %s of %s", bytes.remaining(), shape, dtype));
    }
  }

  /** An int64 vector. */
  public static InputTensor ofLongs(long... values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * Long.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asLongBuffer().put(values);
    return new InputTensor(DType.I64, List.of((long) values.length), bytes);
  }

  /** A float32 tensor. */
  public static InputTensor ofFloats(List<Long> shape, float... values) {
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return new InputTensor(DType.F32, shape, bytes);
  }

  /** Number of elements. */
  public int elements() {
    return bytes.remaining() / dtype.bytes();
  }

  /** Whether {@link #toLongs()} can read it. */
  public boolean integral() {
    return switch (dtype) {
      case I64, I32, I16, I8, U8, BOOL -> true;
      default -> false;
    };
  }

  /** The elements of an {@linkplain #integral() integral} tensor. */
  public long[] toLongs() {
    ByteBuffer source = bytes.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    long[] values = new long[elements()];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          switch (dtype) {
            case I64 -> source.getLong();
            case I32 -> source.getInt();
            case I16 -> source.getShort();
            case I8 -> source.get();
            case U8, BOOL -> source.get() & 0xFF;
            default -> throw new IllegalArgumentException(dtype + " is not integral");
          };
    }
    return values;
  }

  /** Copies the elements of a floating tensor, converted to float32. */
  public void toFloats(float[] target, int offset) {
    FloatCodec.toFloat(dtype, bytes, bytes.position(), target, offset, elements());
  }
}
