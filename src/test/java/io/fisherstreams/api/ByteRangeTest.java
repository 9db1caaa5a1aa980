package io.fisherstreams.api;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** RFC 9110, section 14.1.2, on a file of 10,000 bytes. */
class ByteRangeTest {
  private static final long SIZE = 10_000;

  @ParameterizedTest
  @CsvSource({
    "bytes=0-499, 0, 500",
    "bytes=500-999, 500, 1000",
    "bytes=-500, 9500, 10000",
    "bytes=9500-, 9500, 10000",
    "bytes=0-0, 0, 1",
    "bytes=-1, 9999, 10000",
    "bytes=-20000, 0, 10000",
    "bytes=9000-20000, 9000, 10000"
  })
  void oneRangeIsRead(String header, long first, long end) {
    assertThat(ByteRange.of(header, SIZE)).contains(new ByteRange(first, end));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"bytes=0-1,3-4", "lines=0-1", "bytes=", "bytes=-", "bytes=5-4", "bytes=a-b", "x"})
  void whatIsNoSingleRangeMeansTheWholeFile(String header) {
    assertThat(ByteRange.of(header, SIZE)).isEmpty();
  }

  @ParameterizedTest
  @ValueSource(strings = {"bytes=10000-", "bytes=10000-10001", "bytes=-0"})
  void aRangeBehindTheFileIsRejected(String header) {
    assertThatThrownBy(() -> ByteRange.of(header, SIZE))
        .isInstanceOfSatisfying(Problem.class, e -> assertThat(e.status()).isEqualTo(416));
  }

  @Test
  void anEmptyFileHasNoRange() {
    assertThatThrownBy(() -> ByteRange.of("bytes=0-", 0)).isInstanceOf(Problem.class);
  }
}
