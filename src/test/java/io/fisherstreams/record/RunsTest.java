package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Test;

class RunsTest {
  @Test
  void neighboursMakeOneRunInWhateverOrderTheyCome() {
    List<Long> numbers = new ArrayList<>(LongStream.range(3, 60).boxed().toList());
    numbers.remove(30L);
    Collections.shuffle(numbers, new Random(1));
    List<Long> runs = List.of();
    for (long number : numbers) {
      assertThat(Runs.contains(runs, number)).isFalse();
      runs = Runs.with(runs, number);
      assertThat(Runs.contains(runs, number)).isTrue();
    }
    assertThat(runs).containsExactly(3L, 29L, 31L, 59L);
  }
}
