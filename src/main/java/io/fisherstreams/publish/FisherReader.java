package io.fisherstreams.publish;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import io.fisherstreams.tensor.Shard;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * Reads a Fisher file's shards as float32, whatever floating type the file has. One returned buffer
 * is valid until the next read.
 */
final class FisherReader {
  private final Checkpoint file;
  private final float[] floats = new float[Shard.ELEMENTS];
  private final ByteBuffer bytes =
      ByteBuffer.allocate(Shard.ELEMENTS * Float.BYTES).order(ByteOrder.LITTLE_ENDIAN);

  FisherReader(Checkpoint file) {
    this.file = file;
  }

  ByteBuffer read(Shard shard) {
    String name = shard.tensor().name();
    DType dtype = file.tensors().get(name).dtype();
    ByteBuffer slice = file.slice(name, shard.firstElement(), shard.elements());
    if (dtype == DType.F32) {
      return slice;
    }
    FloatCodec.toFloat(dtype, slice, 0, floats, 0, shard.elements());
    bytes.clear().limit(shard.elements() * Float.BYTES);
    bytes.asFloatBuffer().put(floats, 0, shard.elements());
    return bytes;
  }
}
