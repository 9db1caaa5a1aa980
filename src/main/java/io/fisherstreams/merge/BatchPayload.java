package io.fisherstreams.merge;

import io.fisherstreams.fisher.GradientPayload;
import io.fisherstreams.record.GradientBatch;
import java.nio.ByteBuffer;

/** A gradient batch's squares, as the payload of a local file: little-endian float32. */
final class BatchPayload {
  private BatchPayload() {}

  /**
   * The batch's squares: its own bytes where they are dense, else in {@code bytes}. Scratch has a
   * place for each element.
   *
   * @throws IllegalArgumentException when the batch does not fit, saying what was expected and
   *     found
   */
  static ByteBuffer decode(
      GradientBatch record, int elements, double[] sums, float[] values, ByteBuffer bytes) {
    switch (record.getEncoding()) {
      case SQUARED_SUM, MEAN_SQUARE -> {
        GradientPayload.requireDense(record.getData(), elements);
        return record.getData();
      }
      case PER_EXAMPLE ->
          GradientPayload.perExample(
              record.getData(), record.getExamples(), elements, sums, values);
      case SPARSE_SQUARED_SUM ->
          GradientPayload.sparse(record.getIndices(), record.getData(), elements, values);
      case UNKNOWN -> throw new IllegalArgumentException("unknown encoding");
    }
    return encode(values, elements, bytes);
  }

  /** Values as bytes, in {@code bytes}. */
  static ByteBuffer encode(float[] values, int elements, ByteBuffer bytes) {
    bytes.clear().limit(elements * Float.BYTES);
    bytes.asFloatBuffer().put(values, 0, elements);
    return bytes;
  }
}
