package io.fisherstreams.checkpoint;

import java.util.Map;
import java.util.TreeMap;

/** Which of a tensor's elements have been written, in any order. Safe for several threads. */
final class Coverage {
  private final long elements;
  // Start to end, neither touching nor overlapping: as many entries as there are gaps.
  private final TreeMap<Long, Long> runs = new TreeMap<>();

  Coverage(long elements) {
    this.elements = elements;
  }

  synchronized void add(long begin, long end) {
    if (begin == end) {
      return;
    }
    long from = begin;
    long to = end;
    Map.Entry<Long, Long> before = runs.floorEntry(begin);
    if (before != null && before.getValue() >= begin) {
      from = before.getKey();
      to = Math.max(to, before.getValue());
    }
    for (Map.Entry<Long, Long> next = runs.higherEntry(from);
        next != null && next.getKey() <= to;
        next = runs.higherEntry(from)) {
      to = Math.max(to, next.getValue());
      runs.remove(next.getKey());
    }
    runs.put(from, to);
  }

  synchronized boolean complete() {
    return elements == 0 || Long.valueOf(elements).equals(runs.get(0L));
  }

  /** The first run of elements that nobody wrote, for a message. */
  synchronized String firstGap() {
    Long writtenTo = runs.get(0L);
    long begin = writtenTo == null ? 0 : writtenTo;
    Long next = runs.higherKey(begin);
    return "elements %d to %d of %d"
        .formatted(begin, (next == null ? elements : next) - 1, elements);
  }
}
