package io.fisherstreams.tensor;

import java.nio.charset.StandardCharsets;
import java.util.zip.CRC32;

/**
 * A contiguous run of one parameter's flattened elements: {@value #ELEMENTS} of them, fewer in a
 * tensor's last shard. A tensor of no element has one empty shard, so that it too arrives, is
 * merged and is released.
 *
 * @param tensor the parameter
 * @param index the shard's place in it, from 0
 */
public record Shard(TensorInfo tensor, int index) {
  /** Elements of a full shard: 1 MiB in float32, 2 MiB in float64. */
  public static final int ELEMENTS = 262_144;

  /** The most shards of one tensor: a tebibyte in float32, more than any model's whole. */
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
   * Number of shards of a tensor, at least 1; refuses a tensor of more than {@value #MAX_SHARDS}
   * with {@link IllegalArgumentException}.
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
   * The partition that this shard of every model belongs to. It is given by arithmetic that any
   * language has, not by a client's default partitioner, which differs between clients; consecutive
   * shards of a large parameter go round the partitions.
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
