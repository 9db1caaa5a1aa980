package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import io.fisherstreams.config.MergeFile;
import io.fisherstreams.config.MergeFileWriter;
import io.fisherstreams.estimation.GradientOptions;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.gradient.device.Compute;
import io.fisherstreams.kernel.KernelName;
import io.fisherstreams.oneshot.EvaluationTasks;
import io.fisherstreams.oneshot.MergeListener;
import io.fisherstreams.oneshot.OneShotMerge;
import io.fisherstreams.search.Measure;
import io.fisherstreams.tuning.MergedFileTask;
import io.fisherstreams.tuning.Settings;
import io.fisherstreams.tuning.Trial;
import io.fisherstreams.tuning.Tuner;
import io.fisherstreams.tuning.TuningOptions;
import io.fisherstreams.tuning.TuningOptions.Strategy;
import io.fisherstreams.tuning.TuningResult;
import io.fisherstreams.tuning.TuningStart;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.stream.Collectors;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The {@code tune} command on models whose best settings are known. */
final class TuneIT {
  @TempDir private Path directory;

  private String file(String name) {
    return directory.resolve(name).toString();
  }

  @Test
  void findsTheScaleThatTheLabelsComeFrom() throws IOException {
    Path yaml = new TunedModels(directory, 1, 0.5).yaml("{name: task_arithmetic, scale: 0.15}");

    CommandOutput output =
        CommandOutput.of(
            "tune",
            yaml.toString(),
            "--output=" + file("tuned.yaml"),
            "--csv=" + file("trials.csv"),
            "--json=" + file("trials.json"),
            "--svg=" + file("search.svg"));

    assertThat(output.exit()).as(output.err()).isZero();
    assertThat(output.out())
        .containsPattern("trial \\d+ is better than the start: mean accuracy \\+")
        .contains("on the held-out examples, which the search did not see: +")
        .contains("100 validation examples, 100 held out");
    MergeFile found = MergeFile.read(directory.resolve("tuned.yaml"));
    double scale = ((TaskArithmetic) found.method().formula()).scale();
    assertThat(scale).isCloseTo(0.5, within(0.1));
    assertThat(found.models().get(0).evaluationExamples()).isPresent();

    JsonNode json = new ObjectMapper().readTree(directory.resolve("trials.json").toFile());
    assertThat(json.get("beats_start").asBoolean()).isTrue();
    JsonNode trials = json.get("trials");
    JsonNode best = trials.get(json.get("best_trial").asInt());
    assertThat(best.get("method").get("scale").asDouble()).isEqualTo(scale);
    assertThat(best.get("value").asDouble())
        .isGreaterThan(0.95)
        .isEqualTo(best.get("tasks").get("model-a").get("accuracy").asDouble());
    assertThat(trials.get(0).get("difference").asDouble()).isZero();
    assertThat(json.get("held_out").get("best_value").asDouble()).isGreaterThan(0.9);

    List<String> csv = Files.readAllLines(directory.resolve("trials.csv"));
    assertThat(csv).hasSize(1 + trials.size());
    assertThat(csv.get(0))
        .isEqualTo(
            "trial,value,difference,standard_error,seconds,name,scale,coefficient model-a,"
                + "accuracy model-a,log_likelihood model-a,failure");
    assertThat(Files.readString(directory.resolve("search.svg")))
        .startsWith("<svg xmlns=\"http://www.w3.org/2000/svg\"")
        .contains("mean accuracy in %")
        .endsWith("</svg>\n");
  }

  @Test
  void theSeedGivesTheTrials() throws IOException {
    Path yaml = new TunedModels(directory, 3, 0.5).yaml("{name: gradient_matching}");
    List<List<String>> runs = new ArrayList<>();
    for (String seed : List.of("1", "1", "2")) {
      CommandOutput output =
          CommandOutput.of(
              "tune",
              yaml.toString(),
              "--output=" + file("tuned.yaml"),
              "--csv=" + file("trials.csv"),
              "--strategy=random",
              "--trials=5",
              "--seed=" + seed);
      assertThat(output.exit()).as(output.err()).isZero();
      runs.add(
          Files.readAllLines(directory.resolve("trials.csv")).stream()
              .map(line -> line.replaceFirst("(,[^,]*,[^,]*,[^,]*),[^,]*", "$1"))
              .collect(Collectors.toList()));
    }
    assertThat(runs.get(0)).hasSize(7).isEqualTo(runs.get(1)).isNotEqualTo(runs.get(2));
  }

  @Test
  void everyModelHasACoefficientInEachGroupOfLayers() throws IOException {
    Path yaml = new TunedModels(directory, 2, 0.5).yaml("{name: task_arithmetic, scale: 1}");
    CommandOutput output =
        CommandOutput.of(
            "tune",
            yaml.toString(),
            "--output=" + file("tuned.yaml"),
            "--csv=" + file("trials.csv"),
            "--json=" + file("trials.json"),
            "--measure=mean-log-likelihood",
            "--search=coefficient",
            "--groups=2");
    assertThat(output.exit()).as(output.err()).isZero();
    assertThat(output.out()).contains("coefficient of model-b in layers-2");
    MergeFile found = MergeFile.read(directory.resolve("tuned.yaml"));
    assertThat(found.method().groups().names()).containsExactly("layers-1", "layers-2");
    assertThat(found.method().groups().indexOf("layers.1.bias")).isEqualTo(1);
    // The labels are those of the base plus half of the difference of model-a.
    for (MergeFile.Model model : found.models()) {
      assertThat(model.coefficients().own()).as("no parameter is outside the groups").isEmpty();
      double[] bounds = model.name().equals("model-a") ? new double[] {0.3, 1.2} : new double[2];
      if (model.name().equals("model-b")) {
        bounds[1] = 0.45;
      }
      assertThat(model.coefficients().ofGroups()).hasSize(2);
      assertThat(model.coefficients().ofGroups().values())
          .allSatisfy(lambda -> assertThat(lambda).isBetween(bounds[0], bounds[1]));
    }
    JsonNode json = new ObjectMapper().readTree(directory.resolve("trials.json").toFile());
    JsonNode best = json.get("trials").get(json.get("best_trial").asInt());
    assertThat(best.at("/group_coefficients/model-a/layers-1").asDouble())
        .isEqualTo(found.models().get(0).coefficients().ofGroups().get("layers-1"));
    assertThat(Files.readAllLines(directory.resolve("trials.csv")).get(0))
        .contains("coefficient model-a in layers-1,coefficient model-a in layers-2");

    assertThat(
            CommandOutput.of(
                    "tune",
                    file("tuned.yaml"),
                    "--output=" + file("again.yaml"),
                    "--groups=2",
                    "--trials=1")
                .err())
        .contains("the method has the groups [layers-1, layers-2] already");
    assertThat(
            CommandOutput.of("tune", yaml.toString(), "--output=" + file("x.yaml"), "--groups=9")
                .exit())
        .isEqualTo(2);
  }

  @Test
  void saysWhenNoTrialIsBetter() throws IOException {
    Path yaml = new TunedModels(directory, 1, 0.5).yaml("{name: task_arithmetic, scale: 0.5}");
    CommandOutput output =
        CommandOutput.of("tune", yaml.toString(), "--output=" + file("tuned.yaml"), "--trials=10");
    assertThat(output.exit()).as(output.err()).isZero();
    assertThat(output.out()).contains("no trial is better than the start in mean accuracy");
    assertThat(MergeFile.read(directory.resolve("tuned.yaml")).method().formula())
        .isEqualTo(new TaskArithmetic(0.5));
  }

  @Test
  void saysWhenADifferenceIsNoise() throws IOException {
    Path yaml = new TunedModels(directory, 1, 0.5).yaml("{name: task_arithmetic, scale: 0.47}");
    CommandOutput output =
        CommandOutput.of(
            "tune",
            yaml.toString(),
            "--output=" + file("tuned.yaml"),
            "--search=scale",
            "--trials=40");
    assertThat(output.exit()).as(output.err()).isZero();
    assertThat(output.out()).contains("no trial beats the start beyond noise; the best, trial ");
  }

  /** Each trial's file against the file of {@code merge} with the trial's settings. */
  @ParameterizedTest
  @CsvSource({
    "1, '{name: gradient_matching}'",
    "3, '{name: gradient_matching}'",
    "7, '{name: gradient_matching}'",
    "17, '{name: gradient_matching}'",
    "18, '{relative_fisher_weight: 1e-3}'",
    "3, '{scale: 1.2}'",
    "7, '{relative_fisher_weight: 1e-3, fisher_exponent: 0.5}'",
    "7, '{normalize_fisher_weight: false}'",
    "6, '{name: task_arithmetic}'",
    "7, '{name: gradient_matching, groups: {first: layers.0, b: \".*bias\"}}'",
    "18, '{relative_fisher_weight: 1e-3, groups: {first: layers.0, last: layers.1}}'"
  })
  void aTrialHasTheBytesOfTheMerge(int models, String method) throws IOException {
    MergeFile file = MergeFile.read(new TunedModels(directory, models, 0.5).yaml(method));
    Settings start = TuningStart.of(file, OptionalInt.empty()).settings();
    TuningOptions options =
        new TuningOptions(
            Measure.MEAN_LOG_LIKELIHOOD,
            Strategy.COORDINATE,
            Set.of(),
            20,
            Optional.empty(),
            0.5,
            0,
            32);
    List<byte[]> merged = new ArrayList<>();
    List<Trial> trials = new ArrayList<>();
    try (EvaluationTasks tasks = EvaluationTasks.open(file, Optional.empty(), Compute.cpu())) {
      OneShotMerge.run(
          inputs(file),
          MergeListener.NONE,
          session -> {
            TuningResult result =
                Tuner.run(
                    (formula, coefficients, output) -> {
                      session.merge(formula, coefficients, output);
                      merged.add(bytes(output));
                    },
                    start,
                    tasks.tasks().stream().map(MergedFileTask::new).toList(),
                    directory,
                    options,
                    (trial, best) -> {});
            trials.addAll(result.trials());
          });
    }
    assertThat(trials).hasSizeGreaterThan(10);
    for (Trial trial : trials) {
      Settings settings = trial.settings();
      Path yaml = directory.resolve("trial.yaml");
      MergeFileWriter.write(file, settings.formula(), settings.coefficients(), "a trial", yaml);
      CommandOutput output =
          CommandOutput.of("merge", yaml.toString(), "--output=" + file("again.safetensors"));
      assertThat(output.exit()).as(output.err()).isZero();
      assertThat(bytes(directory.resolve("again.safetensors")))
          .as(settings.toString())
          .isEqualTo(merged.get(trial.number()));
    }
  }

  private OneShotMerge.Inputs inputs(MergeFile file) {
    return new OneShotMerge.Inputs(
        file,
        directory.resolve("start.safetensors"),
        Long.MAX_VALUE,
        Optional.empty(),
        false,
        false,
        false,
        2,
        2,
        KernelName.AUTO,
        Optional.empty(),
        GradientOptions.standard(),
        Optional.empty());
  }

  private static byte[] bytes(Path file) {
    try {
      return Files.readAllBytes(file);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void faultsAreToldBeforeAnyMerge() throws IOException {
    TunedModels models = new TunedModels(directory, 2, 0.5);
    Path yaml = models.yaml("{name: task_arithmetic}");
    String output = "--output=" + file("tuned.yaml");
    assertThat(CommandOutput.of("tune", yaml.toString(), output, "--held-out=1").exit())
        .isEqualTo(2);
    assertThat(CommandOutput.of("tune", yaml.toString(), output, "--trials=0").exit()).isEqualTo(2);
    assertThat(CommandOutput.of("tune", yaml.toString(), output, "--minutes=-1").exit())
        .isEqualTo(2);
    CommandOutput unknown = CommandOutput.of("tune", yaml.toString(), output, "--measure=best");
    assertThat(unknown.exit()).isEqualTo(2);
    assertThat(unknown.err()).contains("mean-accuracy, worst-accuracy, mean-log-likelihood");
    CommandOutput prior = CommandOutput.of("tune", yaml.toString(), output, "--search=prior");
    assertThat(prior.exit()).isEqualTo(1);
    assertThat(prior.err()).contains("prior cannot be searched: task_arithmetic does not have it");
    CommandOutput few = CommandOutput.of("tune", yaml.toString(), output, "--held-out=0.001");
    assertThat(few.exit()).isEqualTo(1);
    assertThat(few.err()).contains("model-a: 200 examples give 200 for validation and 0 held out");
    CommandOutput same = CommandOutput.of("tune", yaml.toString(), "--output=" + yaml);
    assertThat(same.exit()).isEqualTo(1);
    assertThat(same.err()).contains("merge.yaml is one of the inputs");
    CommandOutput nowhere =
        CommandOutput.of("tune", yaml.toString(), "--output=" + file("no/tuned.yaml"));
    assertThat(nowhere.exit()).isEqualTo(1);
    assertThat(nowhere.err()).contains("expected a file in a folder that exists");
    assertThat(directory.resolve("tuned.yaml")).doesNotExist();
  }
}
