package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.local.EmbeddedBroker;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import org.apache.kafka.common.utils.Exit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** A merge whose embedded broker fails ends with exit code 1 and the broker's reason. */
class BrokerFailureIT {
  private static final Path CASE =
      Path.of(
          "src",
          "test",
          "resources",
          "conformance",
          "merge",
          "three-models-normalized",
          "merge.yaml");

  @TempDir private Path directory;

  @Test
  @Timeout(120)
  void mergeEndsWithTheBrokersReason() throws Exception {
    EmbeddedBroker.start(directory.resolve("first")).close(); // from now on halting throws
    Path output = directory.resolve("merged.safetensors");
    ByteArrayOutputStream printed = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(printed, true, StandardCharsets.UTF_8));
    try {
      CompletableFuture<Integer> merge =
          CompletableFuture.supplyAsync(
              () ->
                  Main.run(
                      "merge",
                      CASE.toString(),
                      "--output",
                      output.toString(),
                      "--embedded-pipeline"));
      Integer exit = null;
      while (exit == null) {
        try {
          exit = merge.get(50, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          // reaches the broker that was started last, which is the merge's sooner or later
          assertThatThrownBy(() -> Exit.halt(1, "all log directories have failed"))
              .isInstanceOf(IllegalStateException.class);
        }
      }
      assertThat(exit).isEqualTo(1);
    } finally {
      System.setErr(before);
    }
    assertThat(printed.toString(StandardCharsets.UTF_8))
        .contains("fisher-streams: the embedded broker failed: all log directories have failed");
    assertThat(output).doesNotExist();
  }
}
