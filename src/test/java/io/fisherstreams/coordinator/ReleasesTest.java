package io.fisherstreams.coordinator;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.state.CoordinatorState;
import io.fisherstreams.record.GateVerdict;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseProgress;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.record.RetiredModel;
import io.fisherstreams.record.TopicSlice;
import io.fisherstreams.record.serde.StateSerde;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class ReleasesTest {
  private static final int PARTITIONS = 2;
  private static final Instant NOON = Instant.parse("2026-01-01T12:00:00Z");

  static {
    StateSerde.of(CoordinatorState.class); // lets Avro create the defaults of our records
  }

  private final Map<Long, Release> stored = new TreeMap<>();
  private final List<List<Long>> deleted = new ArrayList<>();
  private List<Long> ends = List.of(0L, 0L);
  private Releases releases = releases(10, Duration.ZERO);

  private Releases releases(int keep, Duration keepFor) {
    return releases(CoordinatorState.newBuilder().build(), keep, keepFor);
  }

  private Releases releases(CoordinatorState saved, int keep, Duration keepFor) {
    return new Releases(
        saved,
        PARTITIONS,
        new PlanPolicy(Duration.ZERO, Duration.ZERO, keep, keepFor, Set.of()),
        new StoredInMap(),
        new Log());
  }

  private final class StoredInMap implements ReleaseRecords {
    @Override
    public Release get(long release) {
      return stored.get(release);
    }

    @Override
    public void put(Release record) {
      stored.put(record.getRelease(), record);
    }

    @Override
    public void delete(long release) {
      stored.remove(release);
    }
  }

  private final class Log implements MergedTensorLog {
    @Override
    public List<Long> endOffsets() {
      return ends;
    }

    @Override
    public void deleteBefore(List<Long> offsets) {
      deleted.add(offsets);
    }
  }

  private static Proposal proposal(String model) {
    return new Proposal(
        new PoolModel(Models.base(1, Models.method(true, 1e-6)), PARTITIONS),
        List.of(new PlannedModel(model, 1L, 1, 1.0, List.of(), 1.0, 1.0, 1L, 1.0, 1.0, 0.0)),
        new TreeMap<>(Map.of(model, 1L)),
        List.of(),
        List.of());
  }

  private MergePlan begin(String model) {
    return releases.begin(proposal(model), List.of(), 0L, NOON);
  }

  private static ReleaseProgress done(long release, long shards, long checksum, long unweighted) {
    return new ReleaseProgress(release, shards, checksum, unweighted, 0L, null);
  }

  /** Release n begins at offset 10 n of each partition, and is complete n hours after noon. */
  private Release make(long release, Set<Long> held) {
    ends = List.of(10 * release, 10 * release);
    assertThat(begin("m" + release).getRelease()).isEqualTo(release);
    for (int partition = 0; partition < PARTITIONS; partition++) {
      releases.report(partition, done(release, 1, 0, 0));
    }
    return releases.complete(usable -> held, NOON.plus(Duration.ofHours(release)));
  }

  private static GateVerdict verdict(boolean passed) {
    return new GateVerdict(
        passed, "because", 0.5, 1L, 0.9, 0.1, List.of(), false, List.of(), List.of());
  }

  @Test
  void plansAreNumberedAndSayWhatTheyRetire() {
    MergePlan first =
        releases.begin(
            proposal("a"), List.of(new RetiredModel("b", 9L), new RetiredModel("z", 3L)), 4L, NOON);
    assertThat(first.getRelease()).isEqualTo(1);
    assertThat(first.getCreatedAt()).isEqualTo(NOON);
    assertThat(first.getCause()).isEqualTo("a arrived");
    assertThat(first.getRetired())
        .containsExactly(new RetiredModel("b", 9L), new RetiredModel("z", 3L));
    releases.abandon(NOON);
    assertThat(begin("b").getRelease()).isEqualTo(2);
    assertThat(releases.newestPlan().getCause()).isEqualTo("b arrived, a withdrawn");
  }

  @Test
  void aPlanIsCompleteOnceEveryPartitionHasReportedOfIt() {
    ends = List.of(5L, 7L);
    MergePlan plan = begin("a");
    assertThat(releases.isUnderWay()).isTrue();
    assertThat(releases.report(0, done(1, 3, -1L << 62, 2))).isTrue();
    assertThat(releases.report(0, done(1, 3, -1L << 62, 2))).as("again").isTrue();
    assertThat(releases.report(1, done(2, 9, 9, 9))).as("of another release").isFalse();
    assertThat(releases.canComplete()).isFalse();
    releases.report(1, done(1, 4, -1L << 63, 1));
    assertThat(releases.canComplete()).isTrue();
    ends = List.of(8L, 11L);
    Release release = releases.complete(usable -> Set.of(), NOON);
    // -2⁶² - 2⁶³ = 2⁶² modulo 2⁶⁴
    assertThat(release)
        .isEqualTo(
            new Release(
                1L,
                ReleaseStatus.COMPLETE,
                NOON,
                "",
                plan,
                List.of(new TopicSlice(0, 5L, 8L), new TopicSlice(1, 7L, 11L)),
                7L,
                "4000000000000000",
                3L,
                null));
    assertThat(stored).containsOnlyKeys(1L);
    assertThat(releases.isUnderWay()).isFalse();
    assertThat(releases.report(0, done(1, 3, 0, 0))).as("late").isFalse();
    assertThat(releases.usable()).containsExactly(1L);
  }

  @Test
  void anAbandonedPlanMakesNoReleaseAndIsCountedUntilOneIsComplete() {
    begin("a");
    releases.report(0, done(1, 3, 77, 2));
    Release abandoned = releases.abandon(NOON);
    assertThat(abandoned.getStatus()).isEqualTo(ReleaseStatus.ABANDONED);
    assertThat(abandoned.getReason()).isEqualTo("overtaken by a change of the pool");
    assertThat(abandoned.getSlices()).isEmpty();
    assertThat(abandoned.getShards()).isZero();
    assertThat(abandoned.getChecksum()).isEmpty();
    assertThat(abandoned.getUnweighted()).isEqualTo(2);
    assertThat(stored).isEmpty();
    assertThat(releases.usable()).isEmpty();
    begin("b");
    assertThat(releases.canComplete()).as("the reports of plan 1 are forgotten").isFalse();
    releases.abandon(NOON);
    assertThat(releases.abandoned()).isEqualTo(2);
    make(3, Set.of());
    assertThat(releases.abandoned()).isZero();
  }

  @Test
  void theNewestPlanServesUntilSomethingElseIsProposedOrItIsAbandoned() {
    assertThat(releases.isPlanned(Optional.empty())).as("nothing to plan").isTrue();
    assertThat(releases.isPlanned(Optional.of(proposal("a")))).isFalse();
    begin("a");
    assertThat(releases.isPlanned(Optional.of(proposal("a")))).isTrue();
    assertThat(releases.isPlanned(Optional.of(proposal("b")))).isFalse();
    assertThat(releases.isPlanned(Optional.empty())).as("under way for nothing").isFalse();
    releases.abandon(NOON);
    assertThat(releases.isPlanned(Optional.of(proposal("a")))).isFalse();
  }

  @Test
  void theNewestReleasesAreKeptAndTensorsAreDeletedOneReleaseLate() {
    releases = releases(2, Duration.ZERO);
    for (long release = 1; release <= 5; release++) {
      make(release, Set.of());
    }
    assertThat(stored).containsOnlyKeys(4L, 5L);
    assertThat(releases.usable()).containsExactlyInAnyOrder(4L, 5L);
    assertThat(deleted)
        .as("the first release kept before each completion")
        .containsExactly(
            List.of(10L, 10L), List.of(10L, 10L), List.of(20L, 20L), List.of(30L, 30L));
  }

  @Test
  void aHeldReleaseKeepsAllLaterOnes() {
    releases = releases(1, Duration.ZERO);
    make(1, Set.of());
    make(2, Set.of());
    make(3, Set.of(2L));
    make(4, Set.of(2L));
    assertThat(stored).containsOnlyKeys(2L, 3L, 4L);
    make(5, Set.of(3L));
    assertThat(stored).containsOnlyKeys(3L, 4L, 5L);
  }

  @Test
  void aReleaseYoungerThanTheKeptAgeStays() {
    releases = releases(1, Duration.ofHours(2));
    make(1, Set.of());
    make(2, Set.of());
    assertThat(stored).containsOnlyKeys(1L, 2L);
    make(3, Set.of());
    assertThat(stored).as("1 is two hours old").containsOnlyKeys(2L, 3L);
  }

  @Test
  void aRejectedReleaseIsKeptButNotUsable() {
    make(1, Set.of());
    make(2, Set.of());
    Release rejected = releases.judge(2, verdict(false), NOON).orElseThrow();
    assertThat(rejected.getStatus()).isEqualTo(ReleaseStatus.REJECTED);
    assertThat(rejected.getReason()).isEqualTo("because");
    assertThat(rejected.getAt()).isEqualTo(NOON);
    assertThat(stored.get(2L)).isEqualTo(rejected);
    assertThat(releases.usable()).containsExactly(1L);
    assertThat(releases.judge(2, verdict(true), NOON)).as("judged once").isEmpty();
  }

  @Test
  void aReleaseThatPassesKeepsItsStatusAndTime() {
    Release before = make(1, Set.of());
    Instant at = before.getAt();
    Release judged = releases.judge(1, verdict(true), NOON.plus(Duration.ofDays(1))).orElseThrow();
    assertThat(judged.getStatus()).isEqualTo(ReleaseStatus.COMPLETE);
    assertThat(judged.getReason()).isEmpty();
    assertThat(judged.getAt()).isEqualTo(at);
    assertThat(judged.getVerdict()).isEqualTo(verdict(true));
    assertThat(releases.usable()).containsExactly(1L);
  }

  @Test
  void anAliasSeesTheReleaseThatIsJustComplete() {
    releases = releases(1, Duration.ZERO);
    List<Set<Long>> asked = new ArrayList<>();
    make(1, Set.of());
    begin("m2");
    for (int partition = 0; partition < PARTITIONS; partition++) {
      releases.report(partition, done(2, 1, 0, 0));
    }
    releases.complete(
        usable -> {
          asked.add(usable);
          return usable;
        },
        NOON);
    assertThat(asked).containsExactly(Set.of(1L, 2L));
    assertThat(stored).containsOnlyKeys(1L, 2L);
  }

  @Test
  void aRestartGoesOnWithTheSavedState() {
    begin("a");
    releases.report(0, done(1, 3, 5, 0));
    CoordinatorState saved = CoordinatorState.newBuilder(releases.state()).build();
    Releases next = releases(saved, 10, Duration.ZERO);
    next.report(1, done(1, 4, 6, 0));
    assertThat(next.canComplete()).isTrue();
    Release release = next.complete(usable -> Set.of(), NOON);
    assertThat(release.getShards()).isEqualTo(7);
    assertThat(release.getChecksum()).isEqualTo("000000000000000b");
  }
}
