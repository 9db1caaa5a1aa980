package io.fisherstreams.merge;

import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;

/** The elements of a shard, wherever they are. */
public interface ShardElements {
  /** Their type. */
  DType type();

  /**
   * Reads some of them.
   *
   * @param first index of the first one in the shard
   * @param scratch has room for {@code count} elements
   * @return little-endian bytes from the first byte of a buffer on, which is {@code scratch} or one
   *     that stays valid without it
   */
  ByteBuffer read(int first, int count, ByteBuffer scratch);
}
