package io.fisherstreams.fisher;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatScan;
import io.fisherstreams.tensor.VectorUnit;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.FloatBuffer;
import java.util.Arrays;

/**
 * Reads a gradient batch's bytes as float32 sums of squares over one shard. Unusable bytes are
 * rejected with an {@link IllegalArgumentException} that names the expected and the found value,
 * entries that are no squares with an {@link InvalidEntry}. A call allocates only buffer views.
 */
public final class GradientPayload {
  private GradientPayload() {}

  /**
   * Rejects bytes that are not dense sums (or means) of squares: {@code elements} values, each
   * finite and not negative.
   */
  public static void requireDense(ByteBuffer data, int elements) {
    requireBytes("data", data.remaining(), (long) elements * Float.BYTES, elements + " float32");
    if (VectorUnit.IS_USABLE && VectorSums.areSquares(data, elements)) {
      return;
    }
    long bad = FloatScan.firstNegativeOrNotFinite(DType.F32, data, elements);
    if (bad >= 0) {
      throw notASquare(bad, floats(data).get((int) bad));
    }
  }

  /**
   * Raw gradients of {@code examples} examples, one after another, each finite; {@code target[j] =
   * Σ_b g_b[j]²}, summed in float64.
   *
   * @param sums scratch of at least {@code elements}
   */
  public static void perExample(
      ByteBuffer data, long examples, int elements, double[] sums, float[] target) {
    long bytes = (long) elements * Float.BYTES;
    requireBytes(
        "data",
        data.remaining(),
        bytes > 0 && examples > Long.MAX_VALUE / bytes ? Long.MAX_VALUE : examples * bytes,
        examples + " examples x " + elements + " float32");
    if (elements == 0) {
      return; // no byte confirms the number of examples
    }
    FloatBuffer gradients = floats(data);
    Arrays.fill(sums, 0, elements, 0);
    for (long example = 0; example < examples; example++) {
      gradients.get(target, 0, elements);
      for (int j = 0; j < elements; j++) {
        double gradient = target[j];
        sums[j] += gradient * gradient;
      }
    }
    for (int j = 0; j < elements; j++) {
      if (!Double.isFinite(sums[j])) {
        throw new InvalidEntry("a gradient of element " + j + " is NaN or infinite");
      }
      target[j] = (float) sums[j];
    }
    requireSquares(target, elements);
  }

  /**
   * Sums of squares of the elements in {@code indices} (int32, strictly ascending, within the
   * shard); all others are 0.
   */
  public static void sparse(ByteBuffer indices, ByteBuffer data, int elements, float[] target) {
    if (indices.remaining() % Integer.BYTES != 0) {
      throw new IllegalArgumentException(
          "indices are " + indices.remaining() + " bytes, no multiple of 4");
    }
    int count = indices.remaining() / Integer.BYTES;
    requireBytes(
        "data", data.remaining(), (long) count * Float.BYTES, "as many float32 as indices");
    Arrays.fill(target, 0, elements, 0);
    ByteBuffer positions = indices.duplicate().order(ByteOrder.LITTLE_ENDIAN);
    FloatBuffer values = floats(data);
    int previous = -1;
    for (int i = 0; i < count; i++) {
      int position = positions.getInt();
      if (position <= previous || position >= elements) {
        throw new IllegalArgumentException(
            "index "
                + position
                + " follows "
                + previous
                + "; expected ascending indices below "
                + elements);
      }
      target[position] = values.get();
      previous = position;
    }
    requireSquares(target, elements);
  }

  private static FloatBuffer floats(ByteBuffer data) {
    return data.duplicate().order(ByteOrder.LITTLE_ENDIAN).asFloatBuffer();
  }

  private static void requireBytes(String what, long found, long expected, String meaning) {
    if (found != expected) {
      throw new IllegalArgumentException(
          what + " has " + found + " bytes, expected " + expected + " (" + meaning + ")");
    }
  }

  @SuppressWarnings("ShortCircuitBoolean") // a loop without branches is vectorized
  private static void requireSquares(float[] values, int elements) {
    boolean sound = true;
    for (int j = 0; j < elements; j++) {
      sound &= values[j] >= 0 & values[j] <= Float.MAX_VALUE;
    }
    if (sound) {
      return;
    }
    for (int j = 0; j < elements; j++) {
      if (!(values[j] >= 0 && values[j] <= Float.MAX_VALUE)) {
        throw notASquare(j, values[j]);
      }
    }
  }

  private static InvalidEntry notASquare(long element, float value) {
    return new InvalidEntry(
        "element " + element + " is " + value + ", expected a finite value of at least 0");
  }
}
