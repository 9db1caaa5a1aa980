package io.fisherstreams.coordinator;

import java.util.List;

/** Topic {@code merged-tensors}, as far as the coordinator needs it. */
public interface MergedTensorLog {
  /** The offset after the last record of each partition. */
  List<Long> endOffsets();

  /** Drops the records of each partition before an offset. Repeating it is harmless. */
  void deleteBefore(List<Long> offsets);
}
