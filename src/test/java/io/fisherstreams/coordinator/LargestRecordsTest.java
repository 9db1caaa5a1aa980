package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.coordinator.state.KeptRelease;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.record.LeftOutModel;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PoolTopics;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.TopicSlice;
import io.fisherstreams.record.serde.StateSerde;
import java.io.IOException;
import java.time.Instant;
import java.util.Collections;
import java.util.HashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Test;

/** What the coordinator writes fits a record in the largest pool that it admits. */
class LargestRecordsTest {
  private static final int PARTITIONS = 1_000;
  private static final int MODEL_NAME_LENGTH = 200;

  private static String name(int i) {
    return String.format(Locale.ROOT, "%06d", i) + "n".repeat(MODEL_NAME_LENGTH - 6);
  }

  private static MergePlan plan() {
    String pattern = "\u2211".repeat(Limits.MAX_PATTERN_LENGTH);
    return new MergePlan(
        Long.MAX_VALUE,
        Instant.now(),
        "x".repeat(20 * (MODEL_NAME_LENGTH + 20)),
        name(0),
        Long.MAX_VALUE,
        MergeMethods.fisher(
            Collections.nCopies(Limits.MAX_PATTERNS_LENGTH / Limits.MAX_PATTERN_LENGTH, pattern),
            true,
            1e-6,
            "BF16"),
        IntStream.range(0, Limits.MAX_MODELS)
            .mapToObj(
                i ->
                    new PlannedModel(
                        name(i),
                        Long.MAX_VALUE,
                        Integer.MAX_VALUE,
                        1.,
                        Collections.nCopies(ParameterGroups.MAX_GROUPS, 1.),
                        1.,
                        1.,
                        Long.MAX_VALUE,
                        1.,
                        1.,
                        0.0))
            .toList(),
        IntStream.range(0, Retirements.MAX_LISTED)
            .mapToObj(i -> new RetiredModel(name(i), Long.MAX_VALUE))
            .toList(),
        Long.MAX_VALUE,
        false,
        IntStream.range(0, Limits.MAX_LEFT_OUT)
            .mapToObj(
                i ->
                    new LeftOutModel(
                        name(i),
                        Long.MAX_VALUE,
                        "r".repeat(Limits.MAX_LEFT_OUT_REASON_LENGTH),
                        true))
            .toList(),
        Collections.nCopies(Proposal.MAX_WARNINGS, "w".repeat(MODEL_NAME_LENGTH + 300)),
        0.75,
        true);
  }

  @Test
  void planReleaseAndStateFit() throws IOException {
    MergePlan plan = plan();
    assertThat(plan.toByteBuffer().remaining()).isLessThan(PoolTopics.MAX_VALUE_BYTES);
    List<TopicSlice> slices =
        IntStream.range(0, PARTITIONS)
            .mapToObj(p -> new TopicSlice(p, Long.MAX_VALUE, Long.MAX_VALUE))
            .toList();
    assertThat(
            new Release(
                    1L, ReleaseStatus.COMPLETE, Instant.now(), "", plan, slices, 1L, "", 1L, null)
                .toByteBuffer()
                .remaining())
        .isLessThan(PoolTopics.MAX_VALUE_BYTES);
    Map<String, ReleaseProgress> reports = new HashMap<>();
    Map<String, Long> retirements = new HashMap<>();
    for (int p = 0; p < PARTITIONS; p++) {
      reports.put(
          Integer.toString(p),
          new ReleaseProgress(
              Long.MAX_VALUE,
              Long.MAX_VALUE,
              Long.MIN_VALUE,
              Long.MAX_VALUE,
              Long.MAX_VALUE,
              null));
      retirements.put(Integer.toString(p), Long.MAX_VALUE);
    }
    CoordinatorState state =
        CoordinatorState.newBuilder()
            .setLastPlan(plan)
            .setFirstOffsets(Collections.nCopies(PARTITIONS, Long.MAX_VALUE))
            .setReports(reports)
            .setRetirements(retirements)
            .setLeftOut(plan.getLeftOut())
            .setKept(Collections.nCopies(20_000, new KeptRelease(Long.MAX_VALUE, Instant.now())))
            .build();
    assertThat(StateSerde.of(CoordinatorState.class).serializer().serialize("state", state))
        .as("a longer one is an error")
        .isNotEmpty();
  }
}
