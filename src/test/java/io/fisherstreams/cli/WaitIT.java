package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import io.fisherstreams.coordinator.PlanPolicy;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Commands that wait for the release that has their change. */
final class WaitIT {
  @TempDir private Path directory;

  @Test
  void eachChangeIsWaitedForUntilAReleaseHasIt() {
    try (CommandPool pool =
        new CommandPool(
            directory,
            2,
            new PlanPolicy(Duration.ZERO, Duration.ZERO, 100, Duration.ofHours(1), Set.of()))) {
      String fisher = pool.file("fisher", Map.of("w", new float[] {1, 1}));
      pool.output(
          "publish",
          "checkpoint",
          pool.file("base", Map.of("w", new float[] {0, 0})),
          "--model",
          "base",
          "--base");
      for (String model : new String[] {"a", "b"}) {
        String checkpoint = pool.file(model, Map.of("w", new float[] {1, 2}));
        pool.output("publish", "checkpoint", checkpoint, "--model", model);
        assertThat(pool.output("publish", "fisher", fisher, "--model", model, "--wait"))
            .containsPattern("release \\d+ has it");
      }
      assertThat(pool.output("releases")).containsPattern("COMPLETE +\\S+ +2 ");
      assertThat(pool.output("weight", "a", "0.25", "--wait")).containsPattern("release \\d+ has");
      assertThat(pool.output("weight", "a", "default", "--wait"))
          .containsPattern("release \\d+ has");
      assertThat(pool.output("withdraw", "b", "--wait")).containsPattern("release \\d+ has it");
      assertThat(pool.output("releases")).containsPattern("(?s)COMPLETE +\\S+ +1 [^\\n]*\\n$");

      String other = pool.file("c", Map.of("w", new float[] {1, 2}));
      pool.output("publish", "checkpoint", other, "--model", "c");
      await()
          .atMost(Duration.ofMinutes(1))
          .untilAsserted(
              () ->
                  assertThat(pool.output(StatusCommand.WAITING, "status"))
                      .contains("awaits its Fisher"));

      ByteArrayOutputStream said = new ByteArrayOutputStream();
      PrintStream before = System.err;
      System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
      try {
        assertThat(
                pool.run("publish", "checkpoint", other, "--model", "c", "--wait", "--timeout=1s"))
            .isEqualTo(1);
      } finally {
        System.setErr(before);
      }
      assertThat(said.toString(StandardCharsets.UTF_8))
          .contains("no release has the change after 1 s: c@")
          .contains("is 'awaits its Fisher'")
          .contains("merge: 1 instance on 127.0.0.1");
    }
  }
}
