package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.BitSet;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class TensorSlotTest {
  @RepeatedTest(50)
  void agreesWithOneBitPerElement(RepetitionInfo repetition) {
    Random random = new Random(repetition.getCurrentRepetition());
    int elements = 1 + random.nextInt(60);
    TensorSlot slot = slot(elements);
    BitSet written = new BitSet();
    for (int i = 0; i < 80; i++) {
      int begin = random.nextInt(elements + 1);
      int end = Math.min(elements, begin + random.nextInt(6));
      slot.markWritten(begin, end);
      written.set(begin, end);

      assertThat(slot.isComplete()).isEqualTo(written.cardinality() == elements);
      if (!slot.isComplete()) {
        int gap = written.nextClearBit(0);
        int next = written.nextSetBit(gap);
        assertThat(slot.firstGap())
            .isEqualTo(
                String.format(
                    Locale.ROOT,
                    "elements %d to %d of %d",
                    gap,
                    (next < 0 ? elements : next) - 1,
                    elements));
      }
    }
  }

  @Test
  void nothingIsMissingFromNoElements() {
    assertThat(slot(0).isComplete()).isTrue();
  }

  private static TensorSlot slot(long elements) {
    return new TensorSlot(new TensorInfo("t", DType.U8, List.of(elements)), null, 0);
  }
}
