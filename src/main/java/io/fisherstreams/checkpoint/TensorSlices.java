package io.fisherstreams.checkpoint;

import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.TensorInfo;
import java.nio.ByteBuffer;

/** One tensor of a checkpoint: a part of a file, or what is computed from several. */
interface TensorSlices {
  /** Its name where it comes from, type and shape. */
  TensorInfo info();

  /** See {@link Checkpoint#slice}. */
  ByteBuffer slice(long firstElement, int elements);

  /** A run of elements as float64. */
  default double[] values(long firstElement, int elements) {
    double[] values = new double[elements];
    FloatCodec.toDouble(info().dtype(), slice(firstElement, elements), 0, values, 0, elements);
    return values;
  }
}
