package io.fisherstreams.simulate;

/** Counts messages and their bytes. */
final class Traffic {
  private long messages;
  private long bytes;

  void add(long size) {
    messages++;
    bytes += size;
  }

  void clear() {
    messages = 0;
    bytes = 0;
  }

  long messages() {
    return messages;
  }

  long bytes() {
    return bytes;
  }
}
