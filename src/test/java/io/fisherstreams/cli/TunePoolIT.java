package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.google.common.collect.Maps;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.config.MergeFileWriter;
import io.fisherstreams.coordinator.PlanPolicy;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.record.MergeMethods;
import io.fisherstreams.record.MergePlan;
import io.fisherstreams.record.PlannedModel;
import io.fisherstreams.record.PlannedModels;
import io.fisherstreams.record.Release;
import io.fisherstreams.record.ReleaseStatus;
import io.fisherstreams.tensor.DType;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.stream.Collectors;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** {@code tune} of a pool on its gate's tasks. */
final class TunePoolIT {
  private static final List<String> MODELS = List.of("model-a", "model-b", "model-c");

  @TempDir private Path directory;

  private final Map<String, String> checkpoints = new HashMap<>();
  private TunedModels models;

  @BeforeEach
  void writeModels() throws IOException {
    models = new TunedModels(directory, MODELS.size(), 0.5);
  }

  private String file(String name) {
    return directory.resolve(name).toString();
  }

  private void publish(CommandPool pool, String... method) {
    List<String> base =
        new ArrayList<>(
            List.of("publish", "checkpoint", file("base.safetensors"), "--model=base", "--base"));
    base.addAll(List.of(method));
    pool.output(base.toArray(String[]::new));
    for (String model : MODELS) {
      String checkpoint = checkpoints.getOrDefault(model, file(model + ".safetensors"));
      pool.output("publish", "checkpoint", checkpoint, "--model=" + model);
      pool.output("publish", "fisher", file(model + ".fisher.safetensors"), "--model=" + model);
    }
    pool.awaitRelease("all models", TunePoolIT::isWhole);
  }

  private static boolean isWhole(Release release) {
    return release.getStatus() == ReleaseStatus.COMPLETE
        && release.getPlan().getModels().size() == MODELS.size();
  }

  private Path config(CommandPool pool) throws IOException {
    Path folder = Files.createDirectories(directory.resolve("task"));
    Files.copy(directory.resolve("config.json"), folder.resolve("config.json"));
    List<String> connection = pool.connection();
    return Files.writeString(
        directory.resolve("pool.yaml"),
        """
        pool: pool
        bootstrap_servers: %s
        schema_registry: %s
        state_directory: %s
        gate:
          alias: production
          tasks:
            - {name: digits, model: %s, examples: %s}
        """
            .formatted(
                connection.get(3), connection.get(5), file("state"), folder, models.examples()));
  }

  @Test
  void theFoundSettingsAreAppliedInOnePlan() throws IOException {
    try (CommandPool pool = new CommandPool(directory, 3, PlanPolicy.standard())) {
      publish(pool, "--method=gradient_matching", "--prior=2");
      Path config = config(pool);
      long before = newest(pool).getRelease();

      String printed =
          pool.output(
              "tune",
              "--config=" + config,
              "--apply",
              "--wait",
              "--measure=mean-log-likelihood",
              "--trials=30",
              "--json=" + file("trials.json"));

      assertThat(printed)
          .contains("is better than the start: mean log-likelihood +")
          .contains("pool pool now merges by gradient_matching, scale ")
          .contains("release " + (before + 1) + " has it");
      Release release = newest(pool);
      assertThat(release.getRelease()).as("one plan").isEqualTo(before + 1);
      JsonNode json = new ObjectMapper().readTree(directory.resolve("trials.json").toFile());
      JsonNode best = json.get("trials").get(json.get("best_trial").asInt());
      MergePlan plan = release.getPlan();
      assertThat(plan.getMethod().getPrior()).isEqualTo(best.at("/method/prior").asDouble());
      assertThat(plan.getMethod().getScale()).isEqualTo(best.at("/method/scale").asDouble());
      Map<String, Double> coefficients =
          plan.getModels().stream()
              .collect(Collectors.toMap(PlannedModel::getModel, PlannedModel::getCoefficient));
      coefficients.forEach(
          (model, coefficient) ->
              assertThat(best.at("/coefficients/" + model).asDouble()).isEqualTo(coefficient));
      assertThat(json.at("/trials/0/method/prior").asDouble()).isEqualTo(2);

      // The pool's release is the merge of the found settings.
      MergeFile merge = MergeFile.read(models.yaml("{name: gradient_matching}"));
      Path again = directory.resolve("again.yaml");
      MergeFileWriter.write(
          merge,
          MergeMethods.formula(plan.getMethod()),
          Maps.transformValues(coefficients, Coefficients::of),
          "the pool's",
          again);
      assertExports(pool, again);
      // On the task it has the figures of the trial.
      pool.output(
          "evaluate",
          "--model=" + release.getRelease(),
          "--folder=" + file("task"),
          "--examples=" + models.examples(),
          "--json=" + file("release.json"));
      double parts =
          (best.at("/tasks/digits/mean_log_likelihood").asDouble()
                  + json.at("/held_out/best/digits/mean_log_likelihood").asDouble())
              / 2;
      assertThat(
              new ObjectMapper()
                  .readTree(directory.resolve("release.json").toFile())
                  .get("mean_log_likelihood")
                  .asDouble())
          .isCloseTo(parts, within(1e-4));
    }
  }

  @Test
  void coefficientsInGroupsOfLayersAreAppliedInOnePlan() throws IOException {
    try (CommandPool pool = new CommandPool(directory, 3, PlanPolicy.standard())) {
      publish(pool, "--method=gradient_matching", "--prior=1");
      long before = newest(pool).getRelease();
      String printed =
          pool.output(
              "tune",
              "--config=" + config(pool),
              "--apply",
              "--wait",
              "--measure=mean-log-likelihood",
              "--groups=2",
              "--trials=30",
              "--json=" + file("trials.json"));
      assertThat(printed).contains("release " + (before + 1) + " has it");
      Release release = newest(pool);
      MergePlan plan = release.getPlan();
      assertThat(release.getRelease()).as("one plan").isEqualTo(before + 1);
      JsonNode json = new ObjectMapper().readTree(directory.resolve("trials.json").toFile());
      JsonNode best = json.get("trials").get(json.get("best_trial").asInt());
      Map<String, Coefficients> found = new HashMap<>();
      for (PlannedModel model : plan.getModels()) {
        for (int group = 0; group < 2; group++) {
          assertThat(model.getGroupCoefficients().get(group))
              .isEqualTo(
                  best.at("/group_coefficients/%s/layers-%s".formatted(model.getModel(), group + 1))
                      .asDouble());
        }
        found.put(model.getModel(), PlannedModels.given(plan, model));
      }
      assertThat(pool.output("method", "show"))
          .contains("groups of parameters layers-1 'layers\\.(?:0)(?:\\.|$)', layers-2 '");

      // The pool's release is the merge of the found settings.
      MergeFile merge =
          MergeFile.read(models.yaml("{name: gradient_matching}"))
              .with(MergeMethods.groups(plan.getMethod()));
      Path again = directory.resolve("again.yaml");
      MergeFileWriter.write(
          merge, MergeMethods.formula(plan.getMethod()), found, "the pool's", again);
      assertExports(pool, again);

      pool.output("weight", "model-a", "0.9", "--group=layers-2", "--wait");
      found.computeIfPresent("model-a", (n, all) -> all.with("layers-2", OptionalDouble.of(0.9)));
      MergeFileWriter.write(
          merge, MergeMethods.formula(plan.getMethod()), found, "the pool's", again);
      assertExports(pool, again);
      assertThat(pool.output("status")).contains("layers-2 0.9");

      assertThat(pool.run("weight", "model-a", "0.9", "--group=nowhere")).isEqualTo(1);
      assertThat(pool.run("method", "set", "gradient_matching", "--no-groups")).isEqualTo(1);
      assertThat(newest(pool).getPlan().getMethod().getGroups()).hasSize(2);
    }
  }

  private void assertExports(CommandPool pool, Path yaml) throws IOException {
    pool.output("export", "--output=" + file("release.safetensors"));
    assertThat(Main.run("merge", yaml.toString(), "--output=" + file("merged.safetensors")))
        .isZero();
    String id = "\"fisherstreams.release\":\"%d\"";
    assertThat(
            text("release.safetensors")
                .replace(id.formatted(newest(pool).getRelease()), id.formatted(1)))
        .isEqualTo(text("merged.safetensors"));
  }

  @Test
  void halfPrecisionModelsOfAPoolAreTunedAsTheirFilesAre() throws IOException {
    models = new TunedModels(directory, MODELS.size(), 0.5, DType.BF16);
    try (CommandPool pool = new CommandPool(directory, 3, PlanPolicy.standard())) {
      publish(pool, "--method=gradient_matching", "--prior=1");
      pool.output(
          "tune",
          "--config=" + config(pool),
          "--measure=mean-log-likelihood",
          "--trials=3",
          "--json=" + file("pool.json"));
    }
    assertThatFilesGive("{name: gradient_matching, prior: 1}", 1e-2);
  }

  @ParameterizedTest
  @ValueSource(strings = {"no_say", "epsilon"})
  void anAdapterOfAPoolIsTunedAsItsFolderIs(String unchanged) throws IOException {
    Path adapter = models.adapter();
    try (CommandPool pool = new CommandPool(directory, 3, PlanPolicy.standard())) {
      checkpoints.put("model-c", adapter.toString());
      publish(
          pool, "--method=gradient_matching", "--prior=1", "--unchanged-parameters=" + unchanged);
      String printed =
          pool.output(
              "tune",
              "--config=" + config(pool),
              "--measure=mean-log-likelihood",
              "--trials=8",
              "--apply",
              "--json=" + file("pool.json"));
      assertThat(printed).contains("pool pool now merges by gradient_matching");
    }
    Path yaml =
        models.yaml("{name: gradient_matching, prior: 1, unchanged_parameters: " + unchanged + "}");
    Files.writeString(
        yaml,
        Files.readString(yaml).replace("checkpoint: model-c.safetensors", "checkpoint: adapter"));
    assertThatFilesGive(yaml, 1e-6);
  }

  private void assertThatFilesGive(String method, double tolerance) throws IOException {
    assertThatFilesGive(models.yaml(method), tolerance);
  }

  /** The trials on the files, for the same seed, have the figures of those on the pool. */
  private void assertThatFilesGive(Path yaml, double tolerance) throws IOException {
    int trials =
        new ObjectMapper().readTree(directory.resolve("pool.json").toFile()).get("trials").size()
            - 1;
    assertThat(
            Main.run(
                "tune",
                yaml.toString(),
                "--output=" + file("tuned.yaml"),
                "--measure=mean-log-likelihood",
                "--trials=" + trials,
                "--json=" + file("files.json")))
        .isZero();

    ObjectMapper json = new ObjectMapper();
    List<JsonNode> found = tasks(json.readTree(directory.resolve("pool.json").toFile()));
    List<JsonNode> expected = tasks(json.readTree(directory.resolve("files.json").toFile()));
    assertThat(found).hasSameSizeAs(expected).isNotEmpty();
    for (int i = 0; i < found.size(); i++) {
      assertThat(found.get(i).get("mean_log_likelihood").asDouble())
          .isCloseTo(expected.get(i).get("mean_log_likelihood").asDouble(), within(tolerance));
    }
  }

  /** The figures of the only task, by trial. */
  private static List<JsonNode> tasks(JsonNode trials) {
    List<JsonNode> tasks = new ArrayList<>();
    trials.get("trials").forEach(trial -> tasks.add(trial.get("tasks").elements().next()));
    return tasks;
  }

  /** A file's bytes, as characters. */
  private String text(String name) throws IOException {
    return Files.readString(directory.resolve(name), StandardCharsets.ISO_8859_1);
  }

  private static Release newest(CommandPool pool) {
    return pool.releases().values().stream().reduce((first, second) -> second).orElseThrow();
  }

  @Test
  void aPoolThatNothingImprovesStaysAsItIs() throws IOException {
    try (CommandPool pool = new CommandPool(directory, 2, PlanPolicy.standard())) {
      publish(pool, "--method=task_arithmetic", "--scale=0.5");
      pool.output("withdraw", "model-b");
      pool.output("withdraw", "model-c", "--wait");
      Path config = config(pool);
      long before = newest(pool).getRelease();
      assertThat(pool.output("tune", "--config=" + config, "--apply", "--trials=5"))
          .contains("no trial is better than the start")
          .contains("the pool stays as it is");
      assertThat(newest(pool).getRelease()).isEqualTo(before);
      assertThat(pool.run("tune", "--trials=5")).as("without a gate").isEqualTo(1);
      assertThat(pool.run("tune", "--config=" + config, "--output=x.yaml")).isEqualTo(2);
    }
  }
}
