package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class UsageTest {
  @ParameterizedTest
  @ValueSource(
      strings = {
        "mrege merge.yaml",
        "merge",
        "fisher --model m --examples e --output o --estimator exakt",
        "publish checkpoint m --model m --estimator exakt",
        "publish fisher f",
        "bench --only KERNAL"
      })
  void wrongUsageExitsWith2(String commandLine) {
    assertThat(Main.run(commandLine.split(" "))).isEqualTo(2);
  }

  @Test
  void aMissingFileIsAFailureNotWrongUsage() {
    assertThat(Main.run("merge", "absent.yaml", "--output", "absent.safetensors")).isEqualTo(1);
  }
}
