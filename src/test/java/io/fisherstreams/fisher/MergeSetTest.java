package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.Arrays;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class MergeSetTest {
  @Test
  void matchesPatternsAtTheStartOfTheNameOnly() {
    MergeSet set =
        MergeSet.of(floats("head.weight", "header.bias", "my.head.weight", "x"), List.of("head"));

    assertThat(set.names()).containsExactly("my.head.weight", "x");
    assertThat(set.merges("header.bias")).isFalse();
    assertThat(set.merges("my.head.weight")).isTrue();
    assertThat(set.merges("not in the base")).isFalse();
  }

  @Test
  void excludesWhatAnyPatternMatches() {
    MergeSet set =
        MergeSet.of(
            floats("a.weight", "b.bias", "c.weight"), List.of("nothing", "b", ".*c\\.weight$"));

    assertThat(set.names()).containsExactly("a.weight");
  }

  @Test
  void mergesEverythingFloatingWithoutPatternsInNameOrder() {
    assertThat(MergeSet.of(floats("b", "a", "B"), List.of()).names())
        .containsExactly("B", "a", "b");
  }

  @Test
  void anEmptyPatternExcludesEverything() {
    assertThat(MergeSet.of(floats("a"), List.of("")).names()).isEmpty();
  }

  @ParameterizedTest
  @EnumSource(DType.class)
  void mergesExactlyTheFloatingTypesOfTwoBytesAndMore(DType dtype) {
    MergeSet set = MergeSet.of(List.of(new TensorInfo("t", dtype, List.of(2L))), List.of());

    boolean expected = List.of(DType.F64, DType.F32, DType.F16, DType.BF16).contains(dtype);
    assertThat(set.merges("t")).isEqualTo(expected);
  }

  private static List<TensorInfo> floats(String... names) {
    return Arrays.stream(names).map(n -> new TensorInfo(n, DType.F32, List.of(3L))).toList();
  }
}
