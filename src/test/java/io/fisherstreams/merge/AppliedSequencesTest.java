package io.fisherstreams.merge;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.merge.state.AppliedSource;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AppliedSequencesTest {
  private record Pair(String source, long sequence) {}

  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13, 14})
  void containsWhatWasAddedInAnyOrderAndNothingElse(long seed) {
    Random random = new Random(seed);
    List<AppliedSource> applied = new ArrayList<>();
    Set<Pair> reference = new HashSet<>();
    for (int i = 0; i < 400; i++) {
      Pair pair = new Pair("s" + random.nextInt(3), random.nextInt(120) - 20);
      assertThat(AppliedSequences.contains(applied, pair.source, pair.sequence))
          .as("seed %d, %s", seed, pair)
          .isEqualTo(reference.contains(pair));
      if (reference.add(pair)) {
        AppliedSequences.add(applied, pair.source, pair.sequence);
      }
    }
    for (String source : List.of("s0", "s1", "s2", "s3")) {
      for (long sequence = -25; sequence < 105; sequence++) {
        assertThat(AppliedSequences.contains(applied, source, sequence))
            .isEqualTo(reference.contains(new Pair(source, sequence)));
      }
    }
    assertRunsAreAscendingAndApart(applied);
  }

  private static void assertRunsAreAscendingAndApart(List<AppliedSource> applied) {
    for (AppliedSource source : applied) {
      List<Long> ranges = source.getRanges();
      for (int i = 0; i < ranges.size(); i += 2) {
        assertThat(ranges.get(i)).isLessThanOrEqualTo(ranges.get(i + 1));
        if (i > 0) {
          assertThat(ranges.get(i)).isGreaterThan(ranges.get(i - 1) + 1);
        }
      }
    }
  }

  @Test
  void aSourceThatCountsUpTakesOneRun() {
    List<AppliedSource> applied = new ArrayList<>();
    for (long sequence = 0; sequence < 1000; sequence++) {
      AppliedSequences.add(applied, "worker", sequence);
    }
    assertThat(applied).hasSize(1);
    assertThat(applied.get(0).getRanges()).containsExactly(0L, 999L);
  }

  @Test
  void theEndsOfTheNumbersAreSequencesLikeOthers() {
    long[] extremes = {
      Long.MAX_VALUE, Long.MIN_VALUE, 0, Long.MAX_VALUE - 1, Long.MIN_VALUE + 1, 5, -5
    };
    List<AppliedSource> applied = new ArrayList<>();
    Set<Long> reference = new HashSet<>();
    for (long sequence : extremes) {
      AppliedSequences.add(applied, "s", sequence);
      reference.add(sequence);
      for (long asked : extremes) {
        assertThat(AppliedSequences.contains(applied, "s", asked))
            .isEqualTo(reference.contains(asked));
      }
    }
  }
}
