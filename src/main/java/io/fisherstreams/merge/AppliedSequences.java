package io.fisherstreams.merge;

import io.fisherstreams.merge.state.AppliedSource;
import io.fisherstreams.record.Runs;
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
        return Runs.contains(entry.getRanges(), sequence);
      }
    }
    return false;
  }

  /** Adds a pair that is not contained yet. */
  static void add(List<AppliedSource> applied, String source, long sequence) {
    for (AppliedSource entry : applied) {
      if (entry.getSource().equals(source)) {
        entry.setRanges(Runs.with(entry.getRanges(), sequence));
        return;
      }
    }
    applied.add(new AppliedSource(source, new ArrayList<>(List.of(sequence, sequence))));
  }
}
