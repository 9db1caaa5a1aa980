package io.fisherstreams.merge.payload;

import java.time.Duration;
import java.util.List;

/**
 * Reads the committed records of a payload topic again, to restore payloads without a local copy.
 */
public interface PayloadLog {
  /** Starts to read one partition of a topic at an offset, or at the next one that still exists. */
  Cursor open(String topic, int partition, long offset);

  /** A position in one partition; close it when done. */
  interface Cursor extends AutoCloseable {
    /** The next records; an empty list when none arrived in time. */
    List<Entry> poll(Duration timeout);

    /** Whether all records that were in the partition when the cursor was opened have been read. */
    boolean atEnd();

    @Override
    void close();
  }

  /**
   * One record.
   *
   * @param offset its offset
   * @param value its value, null for a tombstone
   */
  record Entry(long offset, byte[] value) {}
}
