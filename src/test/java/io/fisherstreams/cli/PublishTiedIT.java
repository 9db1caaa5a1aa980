package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.PlanPolicy;
import java.io.PrintWriter;
import java.io.StringWriter;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** A base whose tied parameter is excluded under one of its two names. */
class PublishTiedIT {
  @TempDir private Path directory;

  @Test
  void publishingTheBaseSaysWhatHappensToTheOtherName() {
    try (CommandPool pool = new CommandPool(directory, 1, PlanPolicy.atOnce(Set.of("a")))) {
      String base =
          pool.file(
              "base",
              Map.of(
                  "lm_head.weight", new float[] {1, 2},
                  "wte.weight", new float[] {1, 2},
                  "w", new float[] {3}));
      StringWriter err = new StringWriter();
      List<String> line =
          new ArrayList<>(List.of("publish", "checkpoint", base, "--model", "base", "--base"));
      line.addAll(List.of("--exclude", "lm_head"));
      line.addAll(pool.connection());

      int exit =
          Main.commandLine().setErr(new PrintWriter(err)).execute(line.toArray(String[]::new));

      assertThat(exit).as(err.toString()).isZero();
      assertThat(err.toString())
          .containsOnlyOnce("note: 'lm_head.weight' is excluded, but tied to 'wte.weight'");
    }
  }
}
