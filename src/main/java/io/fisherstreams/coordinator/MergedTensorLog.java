package io.fisherstreams.coordinator;

import java.util.List;

/** The operations on topic {@code merged-tensors} that the coordinator needs. */
public interface MergedTensorLog {
  /** The offset after the last record of each partition. */
  List<Long> endOffsets();

  /** Deletes the records of each partition before an offset. Idempotent. */
  void deleteBefore(List<Long> offsets);
}
