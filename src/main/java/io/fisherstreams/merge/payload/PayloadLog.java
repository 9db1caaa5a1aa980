package io.fisherstreams.merge.payload;

import java.time.Duration;
import java.util.List;

/**
 * Reads a payload topic's committed records again, to bring back payloads whose local copy is gone.
 */
public interface PayloadLog {
  /** Begins to read one partition of a topic at an offset, or at the next one that is left. */
  Cursor open(String topic, int partition, long offset);

  /** A place in one partition; close it when done. */
  interface Cursor extends AutoCloseable {
    /** The next records, an empty list when none came in time. */
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
