package io.fisherstreams.kafka;

/**
 * Offsets of one partition.
 *
 * @param first the first one
 * @param end the one after the last
 */
public record OffsetRange(long first, long end) {
  /** The smallest range that has both in it. */
  OffsetRange and(OffsetRange other) {
    return new OffsetRange(Math.min(first, other.first), Math.max(end, other.end));
  }

  /** Whether an offset is in it. */
  boolean has(long offset) {
    return offset >= first && offset < end;
  }
}
