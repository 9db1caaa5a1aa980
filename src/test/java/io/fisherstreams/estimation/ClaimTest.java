package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.gradient.EstimatedModel;
import java.util.List;
import java.util.Map;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class ClaimTest {
  private static final long SECOND = 1_000_000_000L;
  private static final EstimatedModel MODEL = Pending.model("m", "exact", 2, 100);

  private final Claim claim = new Claim(MODEL, 20, SECOND);

  private static List<PendingExample> batch(long... indexes) {
    return LongStream.of(indexes)
        .mapToObj(index -> Pending.example(MODEL, (int) (index % 4), index / 4, index))
        .toList();
  }

  private static List<List<PendingExample>> batches(int count) {
    return LongStream.range(0, count).mapToObj(i -> batch(2 * i, 2 * i + 1)).toList();
  }

  @Test
  void aTaskAddsFourBatchesAtMostAndNoMoreThanTheClaimHasRoomFor() {
    assertThat(claim.room()).isEqualTo(8);
    claim.add(batches(7));
    assertThat(claim.size()).isEqualTo(14);
    assertThat(claim.room()).isEqualTo(6);
    assertThat(claim.isFull()).isFalse();
    claim.add(batches(3));
    assertThat(claim.room()).isZero();
    assertThat(claim.isFull()).isTrue();
  }

  @Test
  void aClaimIsDueWhenItIsFullOrNoMoreExamplesAreExpected() {
    assertThat(claim.isDue(false, false)).isFalse();
    assertThat(claim.isDue(true, false)).isTrue();
    assertThat(claim.isDue(false, true)).isTrue();
    claim.add(batches(10));
    assertThat(claim.isDue(false, false)).isTrue();
  }

  @Test
  void rejectedExamplesAreNotCounted() {
    List<PendingExample> first = batch(0, 1);
    List<PendingExample> second = batch(2, 3);
    claim.add(List.of(first, second));
    claim.summed(List.of(first, second), Map.of(second.get(0), Pending.rejection("bad label")));
    assertThat(first).extracting(PendingExample::bytes).containsExactly(0L, 0L);
    assertThat(second).extracting(PendingExample::bytes).containsExactly(10L, 0L);
    assertThat(second.get(0).isRejected()).as("before the claim ends").isFalse();
    assertThat(claim.end()).containsExactly(first.get(0), first.get(1), second.get(1));
    assertThat(second.get(0).isRejected()).isTrue();
    assertThat(second.get(0).rejection()).isEqualTo(Pending.rejection("bad label"));
  }

  @Test
  void aFlushIsIdentifiedByItsFirstExampleByPartitionAndOffset() {
    PendingExample first = Pending.example(MODEL, 1, 7, 29);
    assertThat(
            Claim.first(
                List.of(
                    Pending.example(MODEL, 2, 3, 14),
                    Pending.example(MODEL, 1, 9, 37),
                    first,
                    Pending.example(MODEL, 3, 0, 3))))
        .isSameAs(first);
  }

  @Test
  void itKnowsThePartitionsOfItsExamples() {
    assertThat(claim.partitions()).isEmpty();
    claim.add(List.of(batch(1, 5), batch(3)));
    assertThat(claim.partitions()).containsExactlyInAnyOrder(1, 3);
  }

  @Test
  void progressIsLoggedEveryTenSeconds() {
    assertThat(claim.seconds(4 * SECOND)).isEqualTo(3);
    assertThat(claim.isLogDue(11 * SECOND - 1)).isFalse();
    assertThat(claim.isLogDue(11 * SECOND)).isTrue();
    assertThat(claim.isLogDue(20 * SECOND)).isFalse();
    assertThat(claim.isLogDue(21 * SECOND)).isTrue();
  }
}
