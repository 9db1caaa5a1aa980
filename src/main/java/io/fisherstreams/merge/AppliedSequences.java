package io.fisherstreams.merge;

import io.fisherstreams.merge.state.AppliedSource;
import java.util.ArrayList;
import java.util.List;

/**
 * Which (source, sequence) pairs a shard has applied, as runs of sequences, so that a source that
 * counts up takes constant room.
 */
final class AppliedSequences {
  private AppliedSequences() {}

  static boolean contains(List<AppliedSource> applied, String source, long sequence) {
    for (AppliedSource entry : applied) {
      if (entry.getSource().equals(source)) {
        List<Long> ranges = entry.getRanges();
        for (int i = 0; i < ranges.size(); i += 2) {
          if (ranges.get(i) <= sequence && sequence <= ranges.get(i + 1)) {
            return true;
          }
        }
        return false;
      }
    }
    return false;
  }

  /** Adds a pair that is not contained yet. */
  static void add(List<AppliedSource> applied, String source, long sequence) {
    for (AppliedSource entry : applied) {
      if (entry.getSource().equals(source)) {
        entry.setRanges(with(entry.getRanges(), sequence));
        return;
      }
    }
    applied.add(new AppliedSource(source, new ArrayList<>(List.of(sequence, sequence))));
  }

  private static List<Long> with(List<Long> ranges, long sequence) {
    List<Long> result = new ArrayList<>(ranges.size() + 2);
    int i = 0;
    while (i < ranges.size() && ranges.get(i + 1) < sequence - 1) {
      result.add(ranges.get(i++));
      result.add(ranges.get(i++));
    }
    long first = sequence;
    long last = sequence;
    while (i < ranges.size() && ranges.get(i) <= sequence + 1) {
      first = Math.min(first, ranges.get(i++));
      last = Math.max(last, ranges.get(i++));
    }
    result.add(first);
    result.add(last);
    result.addAll(ranges.subList(i, ranges.size()));
    return result;
  }
}
