package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Settings of a method that make no sense are rejected before any file or broker is looked for. */
class MethodRejectionsTest {
  @TempDir private Path directory;

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "fisher --scale=-1 | --scale",
        "fisher --scale=Infinity | --scale",
        "fisher --scale=1e999 | --scale",
        "fisher --scale=NaN | --scale",
        "fisher --fisher-exponent=-0.5 | --fisher-exponent",
        "fisher --minimal-fisher-weight=-1e-6 | --minimal-fisher-weight",
        "fisher --relative-fisher-weight=0 | --relative-fisher-weight is 0.0, expected a number above 0",
        "fisher --relative-fisher-weight=1e-3 --minimal-fisher-weight=1e-6 | --relative-fisher-weight replaces --minimal-fisher-weight",
        "fisher --relative-fisher-weight=1e-3 --no-normalize | --relative-fisher-weight replaces --no-normalize",
        "fisher --prior=1 | fisher has no --prior",
        "gradient_matching --prior=0 | --prior is 0.0, expected a number above 0",
        "gradient_matching --prior=-1 | --prior",
        "gradient_matching --minimal-fisher-weight=1e-6 | gradient_matching has no --minimal-fisher-weight",
        "gradient_matching --relative-fisher-weight=1e-3 | gradient_matching has no --relative-fisher-weight",
        "gradient_matching --fisher-exponent=1 | gradient_matching has no --fisher-exponent",
        "task_arithmetic --prior=1 | task_arithmetic has no --prior",
        "task_arithmetic --no-normalize | task_arithmetic has no --no-normalize",
        "average | the method is 'average', expected one of fisher, gradient_matching, task_arithmetic",
      })
  void ofACommand(String options, String message) {
    List<String> line = new ArrayList<>(List.of("method", "set"));
    line.addAll(List.of(options.strip().split(" ")));
    line.addAll(List.of("--bootstrap-servers=127.0.0.1:1", "--schema-registry=http://127.0.0.1:1"));
    CommandOutput output = CommandOutput.of(line.toArray(String[]::new));
    assertThat(output.exit()).as(output.err()).isEqualTo(2);
    assertThat(output.err()).contains(message.strip());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "{scale: -1} | method.scale: is '-1'",
        "{scale: .inf} | method.scale: is '.inf'",
        "{fisher_exponent: -2} | method.fisher_exponent: is '-2'",
        "{minimal_fisher_weight: -1e-6} | method.minimal_fisher_weight: is '-1e-6'",
        "{relative_fisher_weight: 0} | relative_fisher_weight is 0.0, expected a number above 0",
        "{relative_fisher_weight: 1e-3, minimal_fisher_weight: 1e-6} | relative_fisher_weight replaces minimal_fisher_weight",
        "{relative_fisher_weight: 1e-3, normalize_fisher_weight: true} | relative_fisher_weight replaces normalize_fisher_weight",
        "{prior: 1} | fisher has no prior",
        "{name: gradient_matching, prior: 0} | prior is 0.0, expected a number above 0",
        "{name: gradient_matching, minimal_fisher_weight: 1e-6} | gradient_matching has no minimal_fisher_weight",
        "{name: task_arithmetic, prior: 1} | task_arithmetic has no prior",
        "{name: task_arithmetic, scale: 1, scaling_factor: 1} | scaling_factor: means the same as scale",
        "{name: gradient_matching, scaling_factor: 1} | scaling_factor: is a key of task_arithmetic",
      })
  void ofAFile(String method, String message) throws Exception {
    rejected("coefficient: 1", "fisher: b.safetensors", method, message);
  }

  @Test
  void ofAModel() throws Exception {
    String needed = "model 'b' has neither fisher nor examples";
    rejected("coefficient: 1", "head: h.safetensors", "{}", needed);
    rejected("coefficient: 1", "head: h.safetensors", "{name: gradient_matching}", needed);
    String negative = "coefficient: is '-1', expected a finite number of at least 0";
    rejected("coefficient: -1", "fisher: b.safetensors", "{}", negative);
    rejected("coefficient: -1", "fisher: b.safetensors", "{name: gradient_matching}", negative);
    rejected(
        "coefficient: 0",
        "fisher: b.safetensors",
        "{name: task_arithmetic}",
        "the coefficients of all models are 0");
  }

  private void rejected(String coefficient, String fisher, String method, String message)
      throws Exception {
    Path yaml =
        Files.writeString(
            directory.resolve("merge.yaml"),
            "base: base.safetensors\nmodels:\n  - {name: b, checkpoint: b.safetensors, %s, %s}\nmethod: %s\n"
                .formatted(coefficient, fisher, method));
    String out = directory.resolve("merged.safetensors").toString();
    for (List<String> line :
        List.of(
            List.of("merge", yaml.toString(), "--output", out),
            List.of("evaluate", yaml.toString()),
            List.of("tune", yaml.toString(), "--output", out))) {
      CommandOutput output = CommandOutput.of(line.toArray(String[]::new));
      assertThat(output.exit()).as(output.err()).isEqualTo(1);
      assertThat(output.err()).contains("merge.yaml, line ").contains(message.strip());
    }
  }
}
