package io.fisherstreams.estimation;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.estimation.CommitFront.Committable;
import io.fisherstreams.gradient.EstimatedModel;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import java.util.TreeSet;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class CommitFrontTest {
  private static final EstimatedModel MODEL = Pending.model("m", "exact", 8, 1000);

  private final CommitFront front = new CommitFront();

  private PendingExample add(long offset) {
    PendingExample record = Pending.example(MODEL, 0, offset, offset);
    front.add(record);
    return record;
  }

  @Test
  void anEmptyPartitionHasNothingToCommit() {
    assertThat(front.advance()).isEmpty();
    assertThat(front.handled()).isZero();
    assertThat(front.clear()).isEmpty();
  }

  @Test
  void aRecordThatIsHandledEarlyWaitsForThoseBefore() {
    PendingExample first = add(7);
    PendingExample second = add(8);
    PendingExample third = add(9);
    second.count();
    assertThat(front.handled()).isZero();
    assertThat(front.advance()).hasValue(new Committable(List.of(), 7, false));
    first.count();
    assertThat(front.handled()).isEqualTo(2);
    assertThat(front.advance()).hasValue(new Committable(List.of(), 9, true));
    third.count();
    assertThat(front.advance()).hasValue(new Committable(List.of(), 10, true));
    assertThat(front.advance()).isEmpty();
  }

  @Test
  void rejectedRecordsAreHandedOverWithTheirCommit() {
    PendingExample bad = Pending.rejected(0, 3, "bad");
    PendingExample late = Pending.rejected(0, 5, "late");
    front.add(bad);
    PendingExample between = add(4);
    front.add(late);
    assertThat(front.advance()).hasValue(new Committable(List.of(bad), 4, true));
    between.reject(Pending.rejection("too"));
    assertThat(front.advance()).hasValue(new Committable(List.of(between, late), 6, true));
  }

  @Test
  void offsetsMayHaveGaps() {
    add(100).count(); // a transaction's marker has offset 101
    add(102).count();
    add(110);
    assertThat(front.advance()).hasValue(new Committable(List.of(), 110, true));
  }

  @Test
  void recordsHoldBytesUntilTheirContentIsSummed() {
    PendingExample first = add(0);
    add(1);
    assertThat(front.bytes()).isEqualTo(20);
    first.release();
    assertThat(front.bytes()).isEqualTo(10);
  }

  @Test
  void aPartitionThatIsReadAgainBeginsAtItsFirstRecord() {
    add(4).count();
    add(5);
    assertThat(front.clear()).hasValue(4);
    assertThat(front.bytes()).isZero();
    assertThat(front.advance()).isEmpty();
  }

  /** Compared with the definition: the lowest offset that is not handled. */
  @ParameterizedTest
  @ValueSource(longs = {1, 2, 3})
  void anyOrderCommitsUpToTheFirstRecordThatIsNotHandled(long seed) {
    Random random = new Random(seed);
    List<PendingExample> open =
        new ArrayList<>(LongStream.range(0, 50).mapToObj(this::add).toList());
    TreeSet<Long> left = new TreeSet<>(LongStream.range(0, 50).boxed().toList());
    long committed = 0;
    while (!open.isEmpty()) {
      PendingExample record = open.remove(random.nextInt(open.size()));
      record.count();
      left.remove(record.offset());
      if (random.nextBoolean() || open.isEmpty()) {
        long expected = left.isEmpty() ? 50 : left.first();
        Committable found = front.advance().orElseThrow();
        assertThat(found).isEqualTo(new Committable(List.of(), expected, expected > committed));
        committed = expected;
      }
    }
    assertThat(committed).isEqualTo(50);
  }
}
