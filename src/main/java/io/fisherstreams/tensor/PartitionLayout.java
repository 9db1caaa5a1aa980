package io.fisherstreams.tensor;

import java.util.AbstractList;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.RandomAccess;

/**
 * The shards of one model that belong to one partition, and the position of each when they are
 * written one after another. A file with this layout needs no index. Its memory grows with the
 * tensors, not with their shards: a shard's position is computed.
 */
public final class PartitionLayout {
  /**
   * One shard's position.
   *
   * @param ordinal the shard's number in this layout, from 0
   * @param shard the shard
   * @param firstElement number of elements before it in this layout
   * @param firstByte number of bytes before it, in the tensors' own types
   */
  public record Slot(int ordinal, Shard shard, long firstElement, long firstByte) {}

  /** The shards of one tensor here: {@code firstIndex} and every {@code partitions}-th after it. */
  private record Part(TensorInfo tensor, int firstIndex, int firstOrdinal, long element, long at) {}

  private final int partitions;
  private final List<Part> parts = new ArrayList<>();
  private final Map<String, Part> byParameter = new HashMap<>();
  private final int[] firstOrdinals;
  private final int size;

  /**
   * The layout of these tensors' shards in one of {@code partitions} partitions, in the order
   * given.
   */
  public PartitionLayout(Iterable<TensorInfo> tensors, int partition, int partitions) {
    this.partitions = partitions;
    long elements = 0;
    long bytes = 0;
    int ordinal = 0;
    for (TensorInfo tensor : tensors) {
      int home = Shard.partition(tensor.name(), 0, partitions);
      int first = Math.floorMod(partition - home, partitions);
      int shards = Shard.count(tensor);
      if (first < shards) {
        Part part = new Part(tensor, first, ordinal, elements, bytes);
        parts.add(part);
        byParameter.put(tensor.name(), part);
        int here = (shards - 1 - first) / partitions + 1;
        int last = first + (here - 1) * partitions;
        long mine = (here - 1L) * Shard.ELEMENTS + new Shard(tensor, last).elements();
        ordinal = Math.addExact(ordinal, here);
        elements += mine;
        bytes += mine * tensor.dtype().bytes();
      }
    }
    size = ordinal;
    firstOrdinals = parts.stream().mapToInt(Part::firstOrdinal).toArray();
  }

  /** All positions, in the order of the tensors and of their shards; cannot be modified. */
  public List<Slot> slots() {
    return new Slots();
  }

  /**
   * The position of a shard, or null when the parameter is unknown, has no such shard, or the shard
   * belongs to another partition.
   */
  public Slot slot(String parameter, int shard) {
    Part part = byParameter.get(parameter);
    if (part == null
        || shard < part.firstIndex
        || shard >= Shard.count(part.tensor)
        || (shard - part.firstIndex) % partitions != 0) {
      return null;
    }
    return slot(part, (shard - part.firstIndex) / partitions);
  }

  private Slot slot(Part part, int number) {
    // only a tensor's last shard is not full
    long before = (long) number * Shard.ELEMENTS;
    return new Slot(
        part.firstOrdinal + number,
        new Shard(part.tensor, part.firstIndex + number * partitions),
        part.element + before,
        part.at + before * part.tensor.dtype().bytes());
  }

  private final class Slots extends AbstractList<Slot> implements RandomAccess {
    @Override
    public Slot get(int ordinal) {
      if (ordinal < 0 || ordinal >= size) {
        throw new IndexOutOfBoundsException(ordinal);
      }
      int found = Arrays.binarySearch(firstOrdinals, ordinal);
      Part part = parts.get(found >= 0 ? found : -found - 2);
      return slot(part, ordinal - part.firstOrdinal);
    }

    @Override
    public int size() {
      return size;
    }
  }
}
