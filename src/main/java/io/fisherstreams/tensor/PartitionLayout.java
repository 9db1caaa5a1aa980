package io.fisherstreams.tensor;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/**
 * The shards of one model that belong to one partition, and the position of each when they are
 * written one after another. A file with this layout needs no index.
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

  private final List<Slot> slots = new ArrayList<>();
  private final Map<String, Map<Integer, Slot>> byParameter = new HashMap<>();

  /**
   * The layout of these tensors' shards in one of {@code partitions} partitions, in the order
   * given.
   */
  public PartitionLayout(Iterable<TensorInfo> tensors, int partition, int partitions) {
    long elements = 0;
    long bytes = 0;
    for (TensorInfo tensor : tensors) {
      int home = Shard.partition(tensor.name(), 0, partitions);
      for (int index = Math.floorMod(partition - home, partitions);
          index < Shard.count(tensor);
          index += partitions) {
        Slot slot = new Slot(slots.size(), new Shard(tensor, index), elements, bytes);
        slots.add(slot);
        byParameter.computeIfAbsent(tensor.name(), name -> new HashMap<>()).put(index, slot);
        elements += slot.shard().elements();
        bytes += slot.shard().bytes();
      }
    }
  }

  /** All positions, in the order of the tensors and of their shards. */
  public List<Slot> slots() {
    return slots;
  }

  /**
   * The position of a shard, or null when the parameter is unknown, has no such shard, or the shard
   * belongs to another partition.
   */
  public Slot slot(String parameter, int shard) {
    return byParameter.getOrDefault(parameter, Map.of()).get(shard);
  }
}
