package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import java.io.ByteArrayOutputStream;
import java.io.PrintStream;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Two terminals that publish one model with different contents: no release has one's checkpoint
 * with the other's Fisher, and nobody is told success for what the pool rejects.
 */
final class TwoPublishersIT {
  @TempDir private Path directory;
  private CommandPool pool;

  @BeforeEach
  void start() {
    pool =
        new CommandPool(
            directory,
            2,
            new PlanPolicy(Duration.ZERO, Duration.ZERO, 100, Duration.ofHours(1), Set.of()));
    ok("publish", "checkpoint", values("base", 0), "--model", "base", "--base");
  }

  @AfterEach
  void stop() {
    pool.close();
  }

  private String values(String name, float value) {
    return pool.file(name, Map.of("w", new float[] {value, value}));
  }

  private void ok(String... line) {
    assertThat(pool.run(line)).as(String.join(" ", line)).isZero();
  }

  private String rejected(String... line) {
    ByteArrayOutputStream bytes = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(bytes, true, StandardCharsets.UTF_8));
    try {
      assertThat(pool.run(line)).as(String.join(" ", line)).isEqualTo(1);
    } finally {
      System.setErr(before);
    }
    return bytes.toString(StandardCharsets.UTF_8);
  }

  private static boolean hasFisherOf(Release release, double value) {
    return release.getStatus() == ReleaseStatus.COMPLETE
        && release.getPlan().getModels().stream()
            .map(PlannedModel::getFisherNorm)
            .anyMatch(norm -> Math.abs(norm - value * Math.sqrt(2)) < 1e-9);
  }

  @Test
  void aFisherIsSentOnlyToTheVersionThatItWasMadeFor() {
    String one = values("one", 1);
    String two = values("two", 2);
    String fisherOfOne = values("one.fisher", 16);
    String fisherOfTwo = values("two.fisher", 32);
    ok("publish", "checkpoint", one, "--model", "m");
    ok("publish", "checkpoint", two, "--model", "m");
    String[] first = {"publish", "fisher", fisherOfOne, "--model", "m"};
    assertThat(rejected(first)).contains("still awaits its Fisher");
    assertThat(rejected("publish", "fisher", fisherOfOne, "--model", "m", "--checkpoint", one))
        .contains("--checkpoint has other content than m@");
    assertThat(rejected("publish", "fisher", fisherOfOne, "--model", "m", "--model-version", "1"))
        .contains("--model-version is 1, but the newest version of m is ");

    ok("publish", "fisher", fisherOfTwo, "--model", "m", "--checkpoint", two);
    pool.awaitRelease("the second version", release -> hasFisherOf(release, 32));
    assertThat(rejected(first)).contains("the pool rejected 1 records of m: ");
    ok("publish", "fisher", fisherOfTwo, "--model", "m");
  }

  @Test
  void publishersAtTheSameTimeNeverMixTheirFiles() throws Exception {
    for (int round = 1; round <= 3; round++) {
      String model = "m" + round;
      List<CompletableFuture<Boolean>> publishers =
          List.of(1, 2).stream()
              .map(
                  who -> {
                    String checkpoint = values(model + "-" + who, who);
                    String fisher = values(model + "-" + who + ".fisher", 16 * who);
                    return CompletableFuture.supplyAsync(
                        () ->
                            pool.run("publish", "checkpoint", checkpoint, "--model", model) == 0
                                && pool.run("publish", "fisher", fisher, "--model", model) == 0);
                  })
              .toList();
      boolean first = publishers.get(0).get();
      boolean second = publishers.get(1).get();
      if (first || second) {
        int winner = second ? 2 : 1;
        Release release =
            pool.awaitRelease(
                model + " of " + winner,
                found ->
                    found.getPlan().getModels().stream()
                            .anyMatch(planned -> planned.getModel().equals(model))
                        && found.getStatus() == ReleaseStatus.COMPLETE);
        assertThat(hasFisherOf(release, 16 * fromWhom(release))).isTrue();
      }
      ok("withdraw", model);
    }
  }

  /** The publisher whose checkpoint is in a release of one model with coefficient 1. */
  private int fromWhom(Release release) {
    Path merged = directory.resolve("merged-" + release.getRelease() + ".safetensors");
    ok("export", "--release", release.getRelease() + "", "--output", merged.toString());
    try (Checkpoint file = Checkpoint.open(merged)) {
      return (int) file.slice("w", 0, 1).order(ByteOrder.LITTLE_ENDIAN).getFloat(0);
    }
  }
}
