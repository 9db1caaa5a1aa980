package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class NamePatternsTest {
  // what Python's re.match finds
  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "head; head.weight; true",
        "head; my.head.weight; false",
        ".*head; my.head.weight; true",
        "logit_scale$; logit_scale; true",
        "logit_scale$; logit_scale.x; false",
        "^head; head.weight; true",
        "layers\\.1; layers.11.w; true",
        "layers\\.1\\.; layers.11.w; false",
        "layers\\.(1|3)\\.; layers.3.w; true",
        "layers\\.\\d{1,2}\\.; layers.31.w; true",
        "(?i)HEAD; head.weight; true",
        "(?P<n>head); head.weight; true",
        "\\bhead\\b; header; false",
        "[^.]+\\.bias; a.bias; true",
      })
  void matchesAsPythonDoes(String pattern, String name, boolean expected) {
    assertThat(NamePatterns.of(List.of(pattern)).match(name)).isEqualTo(expected);
  }

  @Test
  void aPatternThatOccursOnlyLaterInANameIsTold() {
    List<String> names = List.of("model.embed_tokens.weight", "lm_head.weight");
    assertThat(
            NamePatterns.of(List.of("lm_head", "embed", "score", ".*embed", "^embed"))
                .misplaced(names))
        .containsExactly(
            "exclusion pattern 'embed' excludes nothing: it occurs in 'model.embed_tokens.weight',"
                + " but a pattern must match from the start of a name, as '.*embed' does");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = ';',
      value = {
        "(?!head).*; look-ahead (",
        "a(?=b); look-ahead (",
        "(?<=a)b; look-behind (",
        "(?<!a)b; look-behind (",
        "(?>a)b; an atomic group (",
        "(a)\\1; a back-reference (",
        "(?P<n>a)(?P=n); a back-reference (",
        "a++; invalid nested repetition operator: ++",
        "head(; missing closing ): head(",
        "head[; missing closing ]: [",
        "x{1001}; repeats more than 1000 times",
        "((x{30}){30}){30}; repeats more than 1000 times",
        "(((x{1000}){1000}){1000}){1000}; repeats more than 1000 times",
      })
  void saysWhyAPatternCannotBeUsed(String pattern, String reason) {
    assertThatThrownBy(() -> NamePatterns.of(List.of("ok", pattern)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith("exclusion pattern '" + pattern + "'")
        .hasMessageContaining(reason);
  }

  @ParameterizedTest
  @ValueSource(strings = {"(a|aa)+$", "(a*)*b", "(.|\\s)*z", "(((a?)*)*)*b"})
  void noPatternOverflowsTheStackOrSearchesWithoutEnd(String pattern) {
    assertThat(NamePatterns.of(List.of(pattern)).match("a".repeat(20_000) + "c")).isFalse();
  }

  @Test
  void workGrowsWithThePatternsAndTheNames() {
    long one = NamePatterns.of(List.of("head")).work(List.of("abc"));
    assertThat(NamePatterns.of(List.of("head", "head")).work(List.of("abc"))).isEqualTo(2 * one);
    assertThat(NamePatterns.of(List.of("head")).work(List.of("abc", "def"))).isEqualTo(2 * one);
    assertThat(NamePatterns.of(List.of("x{1000}")).work(List.of("abc"))).isGreaterThan(4_000);
  }
}
