package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.gradient.EstimatedModel;
import io.fisherstreams.record.Limits;
import io.fisherstreams.record.ModelVersion;
import io.fisherstreams.record.Rejection;
import io.fisherstreams.record.RejectionKind;
import io.fisherstreams.record.Runs;
import java.util.ArrayList;
import java.util.Collections;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import java.util.TreeMap;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class BacklogTest {
  private static final int PARTITIONS = 4;

  private final Backlog backlog = new Backlog(PARTITIONS);
  private final Map<Integer, Long> ends = new HashMap<>();

  private static EstimatedModel model(String name, String estimator, int batchSize, long examples) {
    return Pending.model(name, estimator, batchSize, examples);
  }

  private static PendingExample record(EstimatedModel model, int partition, long offset, long i) {
    return Pending.example(model, partition, offset, i);
  }

  private void assign(Integer... partitions) {
    for (int partition : partitions) {
      backlog.assign(partition, Map.of());
    }
  }

  private PendingExample arrives(EstimatedModel model, long index) {
    int partition = model.partition(index, PARTITIONS);
    long offset = ends.merge(partition, 1L, Long::sum) - 1;
    PendingExample record = record(model, partition, offset, index);
    backlog.add(record);
    return record;
  }

  private PendingExample arrivesBad(int partition) {
    long offset = ends.merge(partition, 1L, Long::sum) - 1;
    PendingExample record = Pending.rejected(partition, offset, "bad");
    backlog.add(record);
    return record;
  }

  private static List<List<Long>> indexes(List<List<PendingExample>> batches) {
    return batches.stream()
        .map(batch -> batch.stream().map(PendingExample::index).toList())
        .toList();
  }

  private List<PendingExample> takeAll(EstimatedModel model) {
    return backlog.take(model, Long.MAX_VALUE, true).stream().flatMap(List::stream).toList();
  }

  @Test
  void batchesAreFullUntilNoMoreExamplesAreExpected() {
    EstimatedModel model = model("m", "exact", 3, 100);
    assign(0, 1, 2, 3);
    LongStream.range(0, 8).forEach(index -> arrives(model, index));
    assertThat(indexes(backlog.take(model, 100, false)))
        .containsExactly(List.of(0L, 1L, 2L), List.of(3L, 4L, 5L));
    assertThat(backlog.canTake(model, false)).isFalse();
    assertThat(indexes(backlog.take(model, 100, true))).containsExactly(List.of(6L, 7L));
  }

  @Test
  void batchesDoNotDependOnTheOrderInWhichPartitionsAreRead() {
    EstimatedModel model = model("m", "exact", 3, 8);
    assign(0, 1, 2, 3);
    LongStream.of(1, 5, 0, 4, 3, 7).forEach(index -> arrives(model, index));
    assertThat(backlog.canTake(model, false)).isFalse();
    arrives(model, 2);
    assertThat(indexes(backlog.take(model, 100, false)))
        .containsExactly(List.of(0L, 1L, 2L), List.of(3L, 4L, 5L));
    assertThat(backlog.isComplete(model)).isFalse();
    arrives(model, 6);
    assertThat(indexes(backlog.take(model, 100, false))).containsExactly(List.of(6L, 7L));
    assertThat(backlog.isComplete(model)).isTrue();
  }

  @Test
  void examplesThatAreCountedOrAnotherWorkersAreNotWaitedFor() {
    EstimatedModel model = model("m", "exact", 2, 12);
    backlog.assign(1, Map.of(model.version(), List.of(0L, 0L)));
    backlog.assign(3, Map.of());
    LongStream.of(3, 5).forEach(index -> arrives(model, index));
    assertThat(indexes(backlog.take(model, 100, false))).containsExactly(List.of(3L, 5L));
    LongStream.of(9, 11).forEach(index -> arrives(model, index));
    assertThat(backlog.canTake(model, false)).isFalse(); // 7 is to come
    arrives(model, 7);
    assertThat(indexes(backlog.take(model, 100, false)))
        .containsExactly(List.of(7L, 9L), List.of(11L));
  }

  @Test
  void examplesThatRefineAModelDoNotWaitForEachOther() {
    EstimatedModel model = model("m", "exact", 2, 2);
    model.manifest().setRefineEvery(2);
    assign(0, 1, 2, 3);
    LongStream.of(0, 1, 9, 7).forEach(index -> arrives(model, index));
    assertThat(indexes(backlog.take(model, 100, false)))
        .containsExactly(List.of(0L, 1L), List.of(7L, 9L));
    assertThat(backlog.isComplete(model)).isFalse();
  }

  @Test
  void aClaimTakesNoMoreThanItsBound() {
    EstimatedModel model = model("m", "exact", 2, 100);
    assign(0, 1, 2, 3);
    LongStream.range(0, 9).forEach(index -> arrives(model, index));
    assertThat(backlog.take(model, 4, true).stream().mapToInt(List::size).sum()).isEqualTo(4);
  }

  @Test
  void theModelWhoseExampleHasWaitedLongestIsServedFirst() {
    EstimatedModel a = model("a", "exact", 1, 100);
    EstimatedModel b = model("b", "exact", 1, 100);
    assign(0, 1, 2, 3);
    arrives(a, 0);
    arrives(b, 0);
    arrives(a, 1);
    assertThat(backlog.waiting()).containsExactly(a, b);
    backlog.count(a, List.of(backlog.take(a, 1, true).get(0).get(0)));
    arrives(a, 2);
    assertThat(backlog.waiting()).containsExactly(b, a);
  }

  @Test
  void aPartitionIsCommittedUpToItsFirstRecordThatIsNotHandled() {
    EstimatedModel a = model("a", "exact", 8, 100);
    EstimatedModel b = model("b", "exact", 8, 100);
    assign(0);
    arrives(a, 0); // offset 0
    arrives(b, 0);
    PendingExample bad = arrivesBad(0);
    arrives(a, 4);
    backlog.count(b, takeAll(b));
    assertThat(backlog.handled()).isZero();
    assertThat(backlog.takeHandled().get(0))
        .isEqualTo(new CommitFront.Committable(List.of(), 0, false));
    backlog.count(a, takeAll(a));
    assertThat(backlog.handled()).isEqualTo(4);
    assertThat(backlog.takeHandled().get(0))
        .isEqualTo(new CommitFront.Committable(List.of(bad), 4, true));
    assertThat(backlog.takeHandled()).isEmpty();
  }

  @Test
  void aCountedExampleIsNotTakenAgain() {
    EstimatedModel model = model("m", "exact", 8, 100);
    assign(0, 1, 2, 3);
    arrives(model, 5);
    arrives(model, 5); // sent twice before it is counted
    List<PendingExample> taken = takeAll(model);
    assertThat(taken).hasSize(1);
    arrives(model, 5); // while the claim is under way
    assertThat(takeAll(model)).isEmpty();
    assertThat(backlog.count(model, taken).get(1).getRuns()).containsExactly(1L, 1L);
    arrives(model, 5); // later
    assertThat(takeAll(model)).isEmpty();
    assertThat(backlog.takeHandled().get(1).nextOffset()).isEqualTo(4);
  }

  @Test
  void aNextOwnerSkipsCountedExamples() {
    EstimatedModel model = model("m", "exact", 8, 100);
    backlog.assign(1, Map.of(model.version(), List.of(0L, 2L)));
    LongStream.of(1, 5, 9, 13).forEach(index -> arrives(model, index));
    assertThat(indexes(backlog.take(model, 100, true))).containsExactly(List.of(13L));
  }

  @Test
  void anotherExampleMayReplaceARejectedOne() {
    EstimatedModel model = model("m", "exact", 8, 100);
    assign(0, 1, 2, 3);
    arrives(model, 2);
    arrives(model, 2);
    List<PendingExample> taken = takeAll(model);
    taken.get(0).reject(Pending.rejection("bad label"));
    backlog.count(model, List.of());
    assertThat(takeAll(model)).hasSize(1).doesNotContainAnyElementsOf(taken);
  }

  @Test
  void batchesOfNeighboursDoNotDependOnTheOrderOfArrival() {
    EstimatedModel model = model("m", "fusion_bench", 3, 7);
    assign(0, 1, 2, 3);
    LongStream.of(6, 4, 0, 2, 3).forEach(index -> arrives(model, index));
    assertThat(indexes(backlog.take(model, 100, true))).containsExactly(List.of(6L));
    arrives(model, 1);
    assertThat(indexes(backlog.take(model, 100, true))).containsExactly(List.of(0L, 1L, 2L));
    arrives(model, 5);
    assertThat(indexes(backlog.take(model, 100, true))).containsExactly(List.of(3L, 4L, 5L));
  }

  @Test
  void aBatchIsCompletedByTheFixedExampleThatItLacked() {
    EstimatedModel model = model("m", "fusion_bench", 3, 3);
    assign(0, 1, 2, 3);
    LongStream.range(0, 3).forEach(index -> arrives(model, index));
    List<PendingExample> taken = takeAll(model);
    taken.get(1).reject(Pending.rejection("bad label"));
    backlog.count(model, List.of(taken.get(0), taken.get(2)));
    assertThat(backlog.canTake(model, true)).isFalse();
    arrives(model, 1);
    assertThat(indexes(backlog.take(model, 100, true))).containsExactly(List.of(1L));
  }

  @Test
  void aRewoundPartitionIsReadAgainFromItsFirstRecord() {
    EstimatedModel model = model("m", "exact", 8, 100);
    assign(0, 1);
    LongStream.of(0, 1, 4).forEach(index -> arrives(model, index));
    takeAll(model);
    backlog.abandonClaim();
    assertThat(backlog.rewind(0)).hasValue(0);
    assertThat(takeAll(model)).isEmpty();
    backlog.revoke(1);
    assertThat(backlog.owns(1)).isFalse();
    backlog.add(record(model, 0, 0, 0));
    backlog.add(record(model, 0, 1, 4));
    assertThat(indexes(backlog.take(model, 100, true))).containsExactly(List.of(0L, 4L));
  }

  @Test
  void aVersionThatAcceptsNoMoreExamplesIsForgotten() {
    EstimatedModel model = model("m", "exact", 8, 100);
    assign(0, 1);
    arrives(model, 0);
    backlog.count(model, takeAll(model));
    arrives(model, 1);
    backlog.rejectWaiting(model.version(), Pending.rejection("stale"));
    assertThat(backlog.waiting()).isEmpty();
    assertThat(backlog.counted()).containsExactly(new ModelVersion("m", 1));
    assertThat(backlog.forget(model.version())).containsExactly(0);
    assertThat(backlog.counted()).isEmpty();
    assertThat(backlog.takeHandled().get(1).rejected())
        .extracting(PendingExample::rejection)
        .containsExactly(Pending.rejection("stale"));
  }

  /**
   * Two models' examples, some sent several times, claimed, committed, abandoned and crashed at
   * random: each counts once. A crash leaves the committed offsets and runs.
   */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3, 4, 5})
  void everyExampleCountsOnceWhateverIsAbandonedOrCrashes(long seed) {
    Random random = new Random(seed);
    List<EstimatedModel> models =
        List.of(model("a", "exact", 3, 40), model("b", "fusion_bench", 4, 30));
    Map<Integer, List<PendingExample>> log = new TreeMap<>();
    for (int p = 0; p < PARTITIONS; p++) {
      log.put(p, new ArrayList<>());
    }
    List<Object[]> sent = new ArrayList<>();
    for (EstimatedModel model : models) {
      for (long index = 0; index < model.manifest().getExamples(); index++) {
        for (int again = 0; again <= random.nextInt(3); again++) {
          sent.add(new Object[] {model, index});
        }
      }
    }
    Collections.shuffle(sent, random);
    for (Object[] one : sent) {
      EstimatedModel model = (EstimatedModel) one[0];
      long index = (long) one[1];
      List<PendingExample> partition = log.get(model.partition(index, PARTITIONS));
      partition.add(record(model, model.partition(index, PARTITIONS), partition.size(), index));
    }
    Map<Integer, Long> committed = new HashMap<>();
    Map<Integer, Map<ModelVersion, List<Long>>> counted = new HashMap<>();
    Set<String> results = new HashSet<>();
    while (results.size() < 70) {
      Backlog worker = new Backlog(PARTITIONS);
      Map<Integer, Long> positions = new HashMap<>();
      for (int p = 0; p < PARTITIONS; p++) {
        worker.assign(p, counted.getOrDefault(p, Map.of()));
        positions.put(p, committed.getOrDefault(p, 0L));
      }
      for (int round = 0; round < 12; round++) {
        read(worker, log, positions, random);
        for (EstimatedModel model : worker.waiting()) {
          List<PendingExample> claim =
              worker.take(model, 1 + random.nextInt(20), random.nextBoolean()).stream()
                  .flatMap(List::stream)
                  .toList();
          if (random.nextInt(4) == 0) {
            worker.abandonClaim();
            claim.stream()
                .map(PendingExample::partition)
                .distinct()
                .forEach(p -> positions.put(p, worker.rewind(p).orElseThrow()));
            break;
          }
          List<String> names = claim.stream().map(e -> model.version() + "#" + e.index()).toList();
          worker
              .count(model, claim)
              .forEach(
                  (p, value) ->
                      counted
                          .computeIfAbsent(p, q -> new HashMap<>())
                          .put(model.version(), value.getRuns()));
          worker.takeHandled().forEach((p, front) -> committed.put(p, front.nextOffset()));
          for (String name : names) {
            assertThat(results.add(name)).as("seed %d, %s counts once", seed, name).isTrue();
          }
        }
      }
    }
    counted
        .get(2)
        .forEach(
            (version, runs) ->
                assertThat(Runs.contains(runs, 0))
                    .isEqualTo(version.model().equals("a") || results.contains(version + "#0")));
  }

  private static void read(
      Backlog worker,
      Map<Integer, List<PendingExample>> log,
      Map<Integer, Long> positions,
      Random random) {
    log.forEach(
        (partition, records) -> {
          long position = positions.get(partition);
          int more = random.nextInt(12);
          while (more-- > 0 && position < records.size()) {
            PendingExample stored = records.get((int) position);
            worker.add(record(stored.model(), partition, position, stored.index()));
            position++;
          }
          positions.put(partition, position);
        });
  }

  @Test
  void anExampleThatWouldLeaveTooManyGapsIsRejected() {
    EstimatedModel model = model("m", "exact", 4, 1_000_000);
    List<Long> runs = new ArrayList<>();
    for (long run = 0; run < Limits.MAX_EXAMPLE_RUNS - 1; run++) {
      runs.addAll(List.of(3 * run, 3 * run));
    }
    backlog.assign(0, Map.of(model.version(), runs));
    // positions in the partition: one that extends a run, two new runs, one that extends the first
    long end = 3L * Limits.MAX_EXAMPLE_RUNS;
    PendingExample extends1 = arrives(model, PARTITIONS);
    PendingExample last = arrives(model, PARTITIONS * end);
    PendingExample beyond = arrives(model, PARTITIONS * (end + 5));
    PendingExample next = arrives(model, PARTITIONS * (end + 1));
    assertThat(takeAll(model)).containsExactly(extends1, last, next);
    assertThat(beyond.rejection())
        .isEqualTo(
            new Rejection(
                RejectionKind.LIMIT,
                "m@1 has 65536 gaps between its counted examples in partition 0; number the"
                    + " examples without gaps, or publish the model again"));
  }
}
