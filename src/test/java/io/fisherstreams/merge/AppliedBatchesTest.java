package io.fisherstreams.merge;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.merge.state.AppliedSource;
import io.fisherstreams.merge.state.ShardState;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.RejectedRecord;
import io.fisherstreams.record.ShardKey.BatchName;
import io.fisherstreams.record.serde.StateSerde;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Random;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AppliedBatchesTest {
  private final ShardState state =
      ShardState.newBuilder()
          .setEpochs(new ArrayList<>())
          .setOpen(new ArrayList<>())
          .setApplied(new ArrayList<>())
          .setSummed(new ArrayList<>())
          .build();
  private final AppliedBatches applied = new AppliedBatches(state);

  private static BatchName name(String source, long sequence) {
    return new BatchName(source, sequence);
  }

  @ParameterizedTest
  @ValueSource(longs = {11, 12, 13, 14})
  void whatWasAddedInAnyOrderIsContainedAndNothingElse(long seed) {
    Random random = new Random(seed);
    Set<BatchName> reference = new HashSet<>();
    for (int i = 0; i < 400; i++) {
      BatchName name = name("s" + random.nextInt(3), random.nextInt(120) - 20);
      assertThat(applied.contains(name))
          .as("seed %d, %s", seed, name)
          .isEqualTo(reference.contains(name));
      if (reference.add(name)) {
        applied.add(name.source(), name.sequence());
      }
    }
    for (String source : List.of("s0", "s1", "s2", "s3")) {
      for (long sequence = -25; sequence < 105; sequence++) {
        BatchName name = name(source, sequence);
        assertThat(applied.contains(name)).isEqualTo(reference.contains(name));
        assertThat(applied.isClosed(name)).isFalse();
      }
    }
    assertRunsAreAscendingAndApart(state.getApplied());
  }

  private static void assertRunsAreAscendingAndApart(List<AppliedSource> sources) {
    for (AppliedSource source : sources) {
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
    for (long sequence = 0; sequence < 1000; sequence++) {
      applied.add("worker", sequence);
    }
    assertThat(state.getApplied()).hasSize(1);
    assertThat(state.getApplied().get(0).getRanges()).containsExactly(0L, 999L);
  }

  @Test
  void theEndsOfTheNumbersAreSequencesLikeOthers() {
    long[] extremes = {
      Long.MAX_VALUE, Long.MIN_VALUE, 0, Long.MAX_VALUE - 1, Long.MIN_VALUE + 1, 5, -5
    };
    Set<Long> reference = new HashSet<>();
    for (long sequence : extremes) {
      applied.add("s", sequence);
      reference.add(sequence);
      for (long asked : extremes) {
        assertThat(applied.contains(name("s", asked))).isEqualTo(reference.contains(asked));
      }
    }
  }

  @Test
  void isolatedSequencesBeyondTheBoundCloseTheLowestOfTheSourceWithTheMost() {
    applied.add("other", 3);
    for (long i = 0; i < 3L * Limits.MAX_SEQUENCE_RUNS; i++) {
      applied.add("s", 10 + 2 * i);
    }
    // one run is the other source's, and each further run has closed the lowest
    long firstOpen = 10 + 2 * (2L * Limits.MAX_SEQUENCE_RUNS + 1);
    assertThat(applied.isClosed(name("s", firstOpen - 1))).isTrue();
    assertThat(applied.isClosed(name("s", firstOpen))).isFalse();
    assertThat(applied.contains(name("s", firstOpen))).isTrue();
    assertThat(applied.contains(name("s", firstOpen + 1))).isFalse();
    assertThat(applied.contains(name("other", 3))).isTrue();
    applied.requireRoom("w[0]", name("s", firstOpen + 1));
    applied.requireRoom("w[0]", name("other", 1));
    assertThatThrownBy(() -> applied.requireRoom("w[0]", name("s", 11)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessageContaining("w[0]: s#11 is older than")
        .hasMessageContaining("needs a sequence from " + firstOpen + " on");
    applied.clear();
    assertThat(applied.isClosed(name("s", 11))).isFalse();
  }

  /** As many names as one hostile publisher can bring still fit the changelog's record. */
  @Test
  void theLargestStateFitsARecord() {
    String long1000 = "\uffff".repeat(Limits.MAX_LABEL_LENGTH - 4);
    int sources = 0;
    try {
      for (; ; sources++) {
        BatchName next = name(long1000 + sources, Long.MAX_VALUE);
        applied.requireRoom("w[0]", next);
        applied.add(next.source(), next.sequence());
      }
    } catch (RejectedRecord full) {
      assertThat(full).hasMessageContaining("at most 1024 with 200000 are accepted");
    }
    assertThat(sources).isBetween(190, 210);
    for (long i = 0; i < Limits.MAX_SEQUENCE_RUNS; i++) {
      applied.add(long1000 + 0, Long.MAX_VALUE - 2 - 2 * i);
    }
    byte[] bytes = StateSerde.of(ShardState.class).serializer().serialize("state", state);
    assertThat(bytes.length).isLessThan(PoolTopics.MAX_VALUE_BYTES / 2);
  }

  @Test
  void aShardHasBatchesOfSoManySourcesAndNoMore() {
    for (int i = 0; i < Limits.MAX_SOURCES; i++) {
      applied.requireRoom("w[0]", name("s" + i, 0));
      applied.add("s" + i, 0);
    }
    applied.requireRoom("w[0]", name("s7", 1));
    assertThatThrownBy(() -> applied.requireRoom("w[0]", name("new", 0)))
        .isInstanceOf(RejectedRecord.class)
        .hasMessageContaining("w[0] has batches of 1024 sources");
  }
}
