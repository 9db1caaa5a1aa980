package io.fisherstreams.gradient.model;

import io.fisherstreams.checkpoint.Checkpoint;
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
   * @param elements how many
   * @return little-endian bytes, from position to limit; valid until the next call
   */
  ByteBuffer slice(String name, long firstElement, int elements);

  /** The tensors of an open checkpoint, which stays the caller's to close. */
  static TensorSource of(Checkpoint checkpoint) {
    return new TensorSource() {
      @Override
      public String origin() {
        return checkpoint.path().toString();
      }

      @Override
      public List<TensorInfo> tensors() {
        return List.copyOf(checkpoint.tensors().values());
      }

      @Override
      public ByteBuffer slice(String name, long firstElement, int elements) {
        return checkpoint.slice(name, firstElement, elements);
      }
    };
  }
}
