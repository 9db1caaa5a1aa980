package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.BitSet;
import java.util.Random;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.RepetitionInfo;
import org.junit.jupiter.api.Test;

class CoverageTest {
  @RepeatedTest(50)
  void agreesWithOneBitPerElement(RepetitionInfo repetition) {
    Random random = new Random(repetition.getCurrentRepetition());
    int elements = 1 + random.nextInt(60);
    Coverage coverage = new Coverage(elements);
    BitSet written = new BitSet();
    for (int i = 0; i < 80; i++) {
      int begin = random.nextInt(elements + 1);
      int end = Math.min(elements, begin + random.nextInt(6));
      coverage.add(begin, end);
      written.set(begin, end);

      assertThat(coverage.complete()).isEqualTo(written.cardinality() == elements);
      if (!coverage.complete()) {
        int gap = written.nextClearBit(0);
        int next = written.nextSetBit(gap);
        assertThat(coverage.firstGap())
            .isEqualTo(
                "elements %d to %d of %d"
                    .formatted(gap, (next < 0 ? elements : next) - 1, elements));
      }
    }
  }

  @Test
  void nothingIsMissingFromNoElements() {
    assertThat(new Coverage(0).complete()).isTrue();
  }
}
