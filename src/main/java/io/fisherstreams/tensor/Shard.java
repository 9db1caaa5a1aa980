package io.fisherstreams.tensor;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;

/**
 * A contiguous run of one parameter's flattened elements: {@value #ELEMENTS} of them, fewer in a
 * tensor's last shard. A tensor without elements has one empty shard, so that it too is received,
 * merged and released.
 *
 * @param tensor the parameter
 * @param index the shard's number in it, from 0
 */
public record Shard(TensorInfo tensor, int index) {
  /** Elements of a full shard: 1 MiB in float32, 2 MiB in float64. */
  public static final int ELEMENTS = 262_144;

  /**
   * The maximum number of shards of one tensor: a tebibyte in float32, more than any whole model.
   */
  public static final int MAX_SHARDS = 1 << 20;

  /** Bytes of the largest shard, float64. */
  public static final int MAX_BYTES = ELEMENTS * Double.BYTES;

  public Shard {
    if (index < 0 || index >= count(tensor)) {
      throw new IllegalArgumentException(
          tensor.name() + " has " + count(tensor) + " shard(s), there is none of index " + index);
    }
  }

  /**
   * Number of shards of a tensor, at least 1. A tensor with more than {@value #MAX_SHARDS} is
   * rejected with {@link IllegalArgumentException}.
   */
  public static int count(TensorInfo tensor) {
    long elements = tensor.elements();
    long count = Math.max(1, elements / ELEMENTS + (elements % ELEMENTS == 0 ? 0 : 1));
    if (count > MAX_SHARDS) {
      throw new IllegalArgumentException(
          tensor.name()
              + " has "
              + elements
              + " elements, more than "
              + MAX_SHARDS
              + " shards hold");
    }
    return (int) count;
  }

  /** Index, in the flattened tensor, of the shard's first element. */
  public long firstElement() {
    return (long) index * ELEMENTS;
  }

  /** Number of elements. */
  public int elements() {
    return (int) Math.min(ELEMENTS, tensor.elements() - firstElement());
  }

  /** Number of bytes in the tensor's own type. */
  public int bytes() {
    return elements() * tensor.dtype().bytes();
  }

  /** {@code parameter[index]}. */
  public String id() {
    return id(tensor.name(), index);
  }

  /** {@code parameter[index]}. */
  public static String id(String parameter, int index) {
    return parameter + "[" + index + "]";
  }

  /**
   * The partition of this shard, the same for every model. It is computed by arithmetic that every
   * language has, because default partitioners differ between clients. Consecutive shards of a
   * large parameter go to consecutive partitions.
   */
  public int partition(int partitions) {
    return partition(tensor.name(), index, partitions);
  }

  /** {@code (crc32(utf8(parameter)) + index) mod partitions}, the CRC-32 of zip, unsigned. */
  public static int partition(String parameter, int index, int partitions) {
    CRC32 crc = new CRC32();
    crc.update(parameter.getBytes(StandardCharsets.UTF_8));
    return (int) ((crc.getValue() + index) % partitions);
  }
}
