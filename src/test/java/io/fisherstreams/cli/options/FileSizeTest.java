package io.fisherstreams.cli.options;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;
import picocli.CommandLine.TypeConversionException;

final class FileSizeTest {
  @ParameterizedTest
  @CsvSource({
    "1, 1",
    "1000, 1000",
    "5B, 5",
    "5GB, 5000000000",
    "5 GB, 5000000000",
    "200MB, 200000000",
    "4GiB, 4294967296",
    "4gib, 4294967296",
    "1.5KB, 1500",
    "0.5KiB, 512",
    "2T, 2000000000000"
  })
  void readsSizes(String text, long bytes) {
    assertThat(new FileSize().convert(text)).isEqualTo(bytes);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "GB",
        "-5GB",
        "0",
        "0GB",
        "5XB",
        "5GBs",
        "1.5",
        "1e9",
        "0.0001KB",
        "5 G B",
        "999999999999999TB",
        "٥GB"
      })
  void rejectsOtherTexts(String text) {
    assertThatThrownBy(() -> new FileSize().convert(text))
        .isInstanceOf(TypeConversionException.class)
        .hasMessageContaining("'" + text + "'");
  }
}
