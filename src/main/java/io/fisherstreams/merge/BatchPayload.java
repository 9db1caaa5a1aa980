package io.fisherstreams.merge;

import io.fisherstreams.fisher.GradientPayload;
import io.fisherstreams.record.GradientBatch;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Converts the squares of gradient batches to the payload of a local file, little-endian float32,
 * in buffers that are used again for each batch. Used by one thread.
 */
final class BatchPayload {
  private final double[] sums = new double[Shard.ELEMENTS];
  private final float[] values = new float[Shard.ELEMENTS];
  private final ByteBuffer bytes =
      ByteBuffer.allocateDirect(Shard.ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);

  /**
   * The batch's squares: the record's own bytes if they are dense, else a buffer that is valid
   * until the next call.
   *
   * @throws IllegalArgumentException when the batch does not fit the shard, naming what was
   *     expected and what was found
   */
  ByteBuffer decode(GradientBatch record, int elements) {
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
    return encode(elements);
  }

  /** An array for one shard's entries. */
  float[] values() {
    return values;
  }

  /**
   * The first {@code elements} entries of {@link #values} as a payload, valid until the next call.
   */
  ByteBuffer encode(int elements) {
    bytes.clear().limit(elements * Float.BYTES);
    bytes.asFloatBuffer().put(values, 0, elements);
    return bytes;
  }
}
