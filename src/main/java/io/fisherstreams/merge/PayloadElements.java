package io.fisherstreams.merge;

import io.fisherstreams.merge.payload.PayloadFile;
import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;

/**
 * A shard's elements in a payload file.
 *
 * @param file the file
 * @param firstByte where the shard begins in it
 * @param type the elements' type
 */
record PayloadElements(PayloadFile file, long firstByte, DType type) implements ShardElements {
  @Override
  public ByteBuffer read(int first, int count, ByteBuffer scratch) {
    file.read(firstByte + (long) first * type.bytes(), count * type.bytes(), scratch);
    return scratch;
  }
}
