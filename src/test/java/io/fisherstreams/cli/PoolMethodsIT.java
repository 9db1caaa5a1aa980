package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.kafka.TopicReader;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.Release;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/**
 * Merge methods in a running pool, beside what {@code merge} writes of the same models ({@link
 * MergeConformanceIT} holds that against the reference).
 */
final class PoolMethodsIT {
  private static final Path CASE =
      Path.of("src/test/resources/conformance/methods/gradient-matching-coefficients")
          .toAbsolutePath();

  private static final List<String> MODELS = List.of("model-a", "model-b", "model-c");

  /** The options of {@code method set}, and the same in a merge.yaml. */
  private record Method(List<String> options, String yaml) {}

  private static final List<Method> METHODS =
      List.of(
          new Method(List.of("gradient_matching"), "{name: gradient_matching}"),
          new Method(
              List.of("fisher", "--scale", "1.4", "--no-normalize"),
              "{scale: 1.4, normalize_fisher_weight: false}"),
          new Method(
              List.of("fisher", "--fisher-exponent", "0.5", "--minimal-fisher-weight", "1e-3"),
              "{fisher_exponent: 0.5, minimal_fisher_weight: 1e-3}"),
          new Method(
              List.of("fisher", "--relative-fisher-weight", "0.01", "--fisher-exponent", "1.5"),
              "{relative_fisher_weight: 0.01, fisher_exponent: 1.5}"),
          new Method(
              List.of("gradient_matching", "--prior", "0.03", "--scale", "0.8"),
              "{name: gradient_matching, prior: 0.03, scale: 0.8}"),
          new Method(List.of("task_arithmetic"), "{name: task_arithmetic}"),
          new Method(List.of("fisher"), "{name: fisher}"));

  @TempDir private Path directory;
  private final AtomicInteger files = new AtomicInteger();

  private static CommandPool pool(Path directory) {
    return new CommandPool(
        directory.resolve("pool"),
        3,
        new PlanPolicy(Duration.ZERO, Duration.ZERO, 100, Duration.ofHours(1), Set.of()));
  }

  private static void publishBase(CommandPool pool, String... method) {
    List<String> line =
        new ArrayList<>(
            List.of("publish", "checkpoint", CASE + "/base.safetensors", "--model", "base"));
    line.add("--base");
    line.addAll(List.of(method));
    pool.output(line.toArray(String[]::new));
  }

  private static void publish(CommandPool pool, String model, String... more) {
    List<String> line =
        new ArrayList<>(
            List.of("publish", "checkpoint", CASE + "/" + model + ".safetensors", "--model"));
    line.add(model);
    line.addAll(List.of(more));
    pool.output(line.toArray(String[]::new));
  }

  private static void publishFisher(CommandPool pool, String model) {
    String file = CASE + "/" + model + ".fisher.safetensors";
    pool.output("publish", "fisher", file, "--model", model, "--wait");
  }

  /** Changes the method, which must succeed, and waits for its release. */
  private static void set(CommandPool pool, List<String> options) {
    List<String> line = new ArrayList<>(List.of("method", "set"));
    line.addAll(options);
    line.add("--wait");
    assertThat(pool.output(line.toArray(String[]::new))).containsPattern("release \\d+ has it");
  }

  private void assertReleaseIsTheMerge(CommandPool pool, String method, List<String> models)
      throws IOException {
    int number = files.incrementAndGet();
    Path exported = directory.resolve("exported-" + number + ".safetensors");
    pool.output("export", "--output", exported.toString());
    Path yaml = directory.resolve("merge-" + number + ".yaml");
    StringBuilder text = new StringBuilder("base: " + CASE + "/base.safetensors\nmodels:\n");
    for (String model : models) {
      text.append(
          "  - {name: %s, checkpoint: %s, fisher: %s}\n"
              .formatted(
                  model,
                  CASE + "/" + model + ".safetensors",
                  CASE + "/" + model + ".fisher.safetensors"));
    }
    Files.writeString(yaml, text + "method: " + method + "\n");
    Path merged = directory.resolve("merged-" + number + ".safetensors");
    assertThat(Main.run("merge", yaml.toString(), "-o", merged.toString())).isZero();
    MergeConformanceIT.assertSameTensors(exported, merged);
  }

  private static long records(CommandPool pool) {
    AtomicInteger count = new AtomicInteger();
    TopicReader.readAll(
        pool.kafka, pool.topics.checkpointShards(), (key, shard) -> count.incrementAndGet());
    TopicReader.readAll(
        pool.kafka, pool.topics.gradientBatches(), (key, batch) -> count.incrementAndGet());
    return count.get();
  }

  @Test
  void everyMethodGivesTheBytesOfAMergeWithoutATensorSentAgain() throws IOException {
    try (CommandPool pool = pool(directory)) {
      publishBase(pool, "--method", "gradient_matching", "--prior", "1");
      for (String model : MODELS) {
        publish(pool, model);
        publishFisher(pool, model);
      }
      assertReleaseIsTheMerge(pool, "{name: gradient_matching, prior: 1}", MODELS);
      assertThat(pool.output("method", "show"))
          .contains("method gradient_matching, scale 1.0, prior 1.0");
      long sent = records(pool);
      for (Method method : METHODS) {
        set(pool, method.options);
        assertReleaseIsTheMerge(pool, method.yaml, MODELS);
      }
      assertThat(records(pool)).isEqualTo(sent);
      Release newest =
          pool.awaitRelease(
              "all", release -> release.getRelease() == MODELS.size() + METHODS.size());
      assertThat(newest.getPlan().getCause()).isEqualTo("method changed to fisher");
      assertThat(pool.output("status"))
          .contains("method fisher, scale 1.0, fisher_exponent 1.0, normalize_fisher_weight true")
          .contains("minimal_fisher_weight is ")
          .contains("NOT FISHER");

      // A withdrawn or re-weighted model leaves no trace, whatever the method.
      pool.output("withdraw", "model-c", "--wait");
      List<String> left = MODELS.subList(0, 2);
      for (Method method : METHODS) {
        set(pool, method.options);
        pool.output("weight", "model-a", "0.25", "--wait");
        pool.output("weight", "model-a", "default", "--wait");
        assertReleaseIsTheMerge(pool, method.yaml, left);
      }
    }
  }

  private static String rejection(CommandPool pool, String... line) {
    ByteArrayOutputStream said = new ByteArrayOutputStream();
    PrintStream before = System.err;
    System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
    try {
      assertThat(pool.run(line)).isEqualTo(1);
    } finally {
      System.setErr(before);
    }
    return said.toString(StandardCharsets.UTF_8);
  }

  @Test
  void taskArithmeticNeedsNoFishersAndAMethodThatDoesIsRejected() throws IOException {
    try (CommandPool pool = pool(directory)) {
      publishBase(pool, "--method", "task_arithmetic", "--scale", "0.5");
      for (String model : MODELS) {
        publish(pool, model, "--wait");
      }
      assertReleaseIsTheMerge(pool, "{name: task_arithmetic, scale: 0.5}", MODELS);
      assertThat(pool.output("status")).doesNotContain("awaits its Fisher");
      assertThat(rejection(pool, "method", "set", "gradient_matching"))
          .contains("would drop models that are merged now; nothing was changed")
          .contains("model-a: it has no Fisher, which the method needs");

      pool.output("weight", "model-b", "-0.5", "--wait");
      Release subtracted =
          pool.awaitRelease(
              "a subtracted model",
              release ->
                  release.getPlan().getModels().stream()
                      .anyMatch(model -> model.getCoefficient() < 0));
      Map<String, PlannedModel> models =
          subtracted.getPlan().getModels().stream()
              .collect(Collectors.toMap(PlannedModel::getModel, model -> model));
      assertThat(models.get("model-b").getWeight()).isEqualTo(-0.5);
      assertThat(models.get("model-b").getShare()).isEqualTo(0.2);
      for (String model : MODELS) {
        String file = CASE + "/" + model + ".fisher.safetensors";
        pool.output("publish", "fisher", file, "--model", model);
      }
      assertThat(rejection(pool, "method", "set", "fisher"))
          .contains("model-b: its coefficient is -0.5: the method fisher accepts no coefficient");
      pool.output("weight", "model-b", "default", "--wait");
      set(pool, List.of("fisher"));
      assertReleaseIsTheMerge(pool, "{}", MODELS);
      assertThat(rejection(pool, "weight", "model-b", "-0.5"))
          .contains("the coefficient is -0.5: the method fisher accepts no coefficient below 0");
      assertThat(rejection(pool, "method", "set", "gradient_matching", "--prior=9", "--strict"))
          .contains("rejected by --strict; nothing was changed: prior 9.00 is more than half");
    }
  }

  @Test
  void aFisherThatIsSmallAgainstEpsilonIsToldBeforeItIsSent() {
    try (CommandPool pool = pool(directory)) {
      pool.output(
          "publish",
          "checkpoint",
          pool.file("base", Map.of("w", new float[] {0, 0})),
          "--model",
          "base",
          "--base");
      String checkpoint = pool.file("a", Map.of("w", new float[] {1, 2}));
      pool.output("publish", "checkpoint", checkpoint, "--model", "a");
      ByteArrayOutputStream said = new ByteArrayOutputStream();
      PrintStream before = System.err;
      System.setErr(new PrintStream(said, true, StandardCharsets.UTF_8));
      try {
        // Adam's moments: a mean of 1e-8 against an epsilon of 1e-6 is 1 part of 101.
        pool.output(
            "publish",
            "fisher",
            pool.file("fisher", Map.of("w", new float[] {1e-8f, 1e-8f})),
            "--model",
            "a",
            "--wait");
      } finally {
        System.setErr(before);
      }
      assertThat(said.toString(StandardCharsets.UTF_8))
          .contains("warning: minimal_fisher_weight 1.00e-06 is more than half")
          .contains("a 99.01%", "Set relative_fisher_weight instead, such as 0.001");
      assertThat(pool.output("status")).contains("99.01%", "warning: minimal_fisher_weight");
    }
  }
}
