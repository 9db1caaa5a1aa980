package io.fisherstreams.gradient.model;

import io.fisherstreams.checkpoint.TensorInfo;
import java.nio.ByteBuffer;
import java.util.List;

/** Where named tensors come from: a checkpoint's files, or the shards of a topic. */
public interface TensorSource {

  /** What the user calls it in messages: the file or topic. */
  String origin();

  /** All tensors, in the source's order. */
  List<TensorInfo> tensors();

  /**
   * A run of one tensor's elements.
   *
   * @param name a name among {@link #tensors()}
   * @param firstElement index of the first element in the flattened tensor
   * @param elements how many; at most 2³¹−1 bytes in all
   * @return little-endian bytes, from position 0 to limit
   */
  ByteBuffer slice(String name, long firstElement, int elements);
}
