package io.fisherstreams.cli.output;

import static org.assertj.core.api.Assertions.assertThat;

import java.io.PrintWriter;
import java.io.StringWriter;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import picocli.CommandLine;
import picocli.CommandLine.Model.CommandSpec;

class TerminalProgressTest {
  @ParameterizedTest
  @CsvSource({
    "0, 0 bytes/s",
    "300.4, 300 bytes/s",
    "1536, 1.5 KiB/s",
    "28174234, 26.9 MiB/s",
    "1e11, 95367.4 MiB/s",
  })
  void aRateIsInTheLargestUnitThatItHas(double perSecond, String text) {
    assertThat(TerminalProgress.rate(perSecond, true)).isEqualTo(text);
  }

  @Test
  void examplesHaveNoUnits() {
    assertThat(TerminalProgress.rate(12345.67, false)).isEqualTo("12345.7 examples/s");
  }

  @Test
  void withoutATerminalTheTaskEndsWithOneLine() {
    StringWriter err = new StringWriter();
    CommandSpec spec = CommandSpec.create();
    new CommandLine(spec).setErr(new PrintWriter(err, true));
    try (TerminalProgress progress = TerminalProgress.of(spec, "publish cars")) {
      progress.total(600_000);
      progress.add(600_000);
      progress.done();
    }
    assertThat(err.toString())
        .matches("publish cars: 585 KiB in \\d+\\.\\d s, \\d+\\.\\d [KM]iB/s\\R");
  }

  @Test
  void examplesWithTextsAreCountedInTokensToo() {
    assertThat(linesOf(100))
        .matches(
            "fisher: 8 examples in \\d+\\.\\d s, \\d+\\.\\d examples/s, 100 tokens, \\d+\\.\\d tokens/s\\R");
    assertThat(linesOf(0)).matches("fisher: 8 examples in \\d+\\.\\d s, \\d+\\.\\d examples/s\\R");
  }

  private static String linesOf(long tokens) {
    StringWriter err = new StringWriter();
    CommandSpec spec = CommandSpec.create();
    new CommandLine(spec).setErr(new PrintWriter(err, true));
    try (TerminalProgress progress = TerminalProgress.ofExamples(spec, "fisher")) {
      progress.examples(4, 8, tokens / 2);
      progress.examples(8, 8, tokens);
      progress.done();
    }
    return err.toString();
  }
}
