package io.fisherstreams.estimation;

import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Deque;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;

/**
 * The records of one partition that are read and not yet committed. Records are handled in any
 * order but committed in the order of their offsets, so a partition is committed up to its first
 * record that is not handled. Pure.
 */
final class CommitFront {
  /**
   * What can be committed of a partition.
   *
   * @param rejected its handled records that were rejected, to be dead-lettered
   * @param nextOffset offset of the first record that is not handled
   * @param advanced whether any record was handled before that one
   */
  record Committable(List<PendingExample> rejected, long nextOffset, boolean advanced) {}

  private final Deque<PendingExample> records = new ArrayDeque<>();

  /** Adds a record, the next of its partition. */
  void add(PendingExample record) {
    records.addLast(record);
  }

  /** Bytes that the records still hold. */
  long bytes() {
    return records.stream().mapToLong(PendingExample::bytes).sum();
  }

  /** How many records could be committed now. */
  long handled() {
    return records.stream().takeWhile(PendingExample::isHandled).count();
  }

  /** Removes the records that can be committed now; empty when there is no record at all. */
  Optional<Committable> advance() {
    if (records.isEmpty()) {
      return Optional.empty();
    }
    List<PendingExample> rejected = new ArrayList<>();
    long before = records.peekFirst().offset();
    long next = before;
    while (!records.isEmpty() && records.peekFirst().isHandled()) {
      PendingExample record = records.removeFirst();
      next = record.offset() + 1;
      if (record.isRejected()) {
        rejected.add(record);
      }
    }
    if (!records.isEmpty()) {
      next = records.peekFirst().offset();
    }
    return Optional.of(new Committable(rejected, next, next > before));
  }

  /**
   * Removes all records, which are to be read again.
   *
   * @return the offset of the first of them
   */
  OptionalLong clear() {
    OptionalLong first =
        records.isEmpty() ? OptionalLong.empty() : OptionalLong.of(records.peekFirst().offset());
    records.clear();
    return first;
  }
}
