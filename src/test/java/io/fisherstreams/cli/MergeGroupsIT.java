package io.fisherstreams.cli;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.checkpoint.Checkpoint;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** A merge.yaml with coefficients in groups of parameters. */
class MergeGroupsIT {
  @TempDir private Path directory;
  private TunedModels models;

  @BeforeEach
  void writeModels() throws IOException {
    models = new TunedModels(directory, 3, 0.5);
  }

  /** Writes a merge.yaml in which each model has these lines beside its own. */
  private Path yaml(String method, String... lines) throws IOException {
    Path file = models.yaml(method);
    String yaml = Files.readString(file);
    for (int m = 0; m < lines.length; m++) {
      String fisher = "model-" + (char) ('a' + m) + ".fisher.safetensors\n";
      yaml = yaml.replace(fisher, fisher + "    " + lines[m] + "\n");
    }
    return Files.writeString(file, yaml);
  }

  private Map<String, ByteBuffer> merge(Path yaml, String... options) {
    Path output = directory.resolve("merged.safetensors");
    List<String> arguments = new ArrayList<>(List.of("merge", yaml.toString()));
    arguments.add("--output=" + output);
    arguments.addAll(List.of(options));
    CommandOutput printed = CommandOutput.of(arguments.toArray(String[]::new));
    assertThat(printed.exit()).as(printed.err()).isZero();
    Map<String, ByteBuffer> tensors = new TreeMap<>();
    try (Checkpoint file = Checkpoint.open(output)) {
      file.tensors()
          .forEach(
              (name, tensor) -> {
                ByteBuffer bytes = ByteBuffer.allocate((int) tensor.bytes());
                bytes.put(file.slice(name, 0, (int) tensor.elements()));
                tensors.put(name, bytes.flip());
              });
    }
    return tensors;
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "minimal_fisher_weight: 1e-3",
        "relative_fisher_weight: 1e-3, fisher_exponent: 0.5",
        "name: gradient_matching",
        "name: task_arithmetic"
      })
  void eachGroupIsAMergeOfItsOwnFromFilesAndThroughThePipeline(String method) throws IOException {
    Path grouped =
        yaml(
            "{" + method + ", groups: {first: layers.0, other: layers.1.bias}}",
            "coefficient: 0.5\n    group_coefficients: {first: 0.25}",
            "coefficient: 0.75\n    group_coefficients: {first: 0.125, other: 0.5}",
            "coefficient: 0.25");
    Map<String, ByteBuffer> merged = merge(grouped);
    assertThat(merge(grouped, "--embedded-pipeline")).isEqualTo(merged);

    Map<String, ByteBuffer> first =
        merge(
            yaml(
                "{" + method + "}",
                "coefficient: 0.25",
                "coefficient: 0.125",
                "coefficient: 0.25"));
    Map<String, ByteBuffer> other =
        merge(
            yaml("{" + method + "}", "coefficient: 0.5", "coefficient: 0.5", "coefficient: 0.25"));
    Map<String, ByteBuffer> rest =
        merge(
            yaml("{" + method + "}", "coefficient: 0.5", "coefficient: 0.75", "coefficient: 0.25"));
    assertThat(merged.get("layers.0.weight")).isEqualTo(first.get("layers.0.weight"));
    assertThat(merged.get("layers.0.bias")).isEqualTo(first.get("layers.0.bias"));
    assertThat(merged.get("layers.1.bias")).isEqualTo(other.get("layers.1.bias"));
    assertThat(merged.get("layers.1.weight")).isEqualTo(rest.get("layers.1.weight"));
    assertThat(first.get("layers.1.weight")).isNotEqualTo(rest.get("layers.1.weight"));
  }

  @Test
  void whatDoesNotFitIsRejectedWithFileAndLine() throws IOException {
    assertRejected(
        yaml("{groups: {first: layers.0}}", "group_coefficients: {last: 1}"),
        "merge.yaml, line 6: models[0].group_coefficients: the mapping names the group 'last', expected one of [first]");
    assertRejected(
        yaml("{name: fisher}", "group_coefficients: {last: 1}"),
        "the mapping names the group 'last', expected none: the method has no groups");
    assertRejected(
        yaml("{groups: {first: layers.0}}", "group_coefficients: {first: -1}"),
        "models[0].group_coefficients.first: is '-1', expected a finite number of at least 0");
    assertRejected(
        yaml("{groups: {first: head}}"),
        "merge.yaml: method.groups: group 'first' has no parameter: its pattern 'head' matches none of the 4 merged parameters");
    assertRejected(
        yaml("{groups: {first: '(?=x)'}}"),
        "method.groups: pattern of group 'first' '(?=x)' has look-ahead");
    assertRejected(
        yaml("{groups: {first: layers.0}}", "group_coefficients: {first: 1e-31}"),
        "merge.yaml, line 6: models[0].group_coefficients.first: it is 1.0E-31, expected 0 or an absolute value from 1e-30 to 1e30");
    assertRejected(
        yaml("{name: fisher}", "coefficient: 1e-31"),
        "merge.yaml, line 6: models[0].coefficient: it is 1.0E-31, expected");
    assertThat(directory.resolve("merged.safetensors")).doesNotExist();
  }

  @ParameterizedTest
  @ValueSource(strings = {"fisher", "gradient_matching", "task_arithmetic"})
  void coefficientsThatAreZeroInEveryParameterAreRejected(String method) throws IOException {
    String zero = "group_coefficients: {all: 0}";
    assertRejected(
        yaml("{name: " + method + ", groups: {all: ''}}", zero, zero, zero),
        "all weights are zero: every model's coefficient is 0 in every parameter that is merged");
  }

  @Test
  void eightGroupsDoNotWidenTheTable() throws IOException {
    CommandOutput printed =
        CommandOutput.of(
            "merge",
            yaml(
                    "{groups: {a-group-of-parameters-with-a-long-name: layers.0}}",
                    "coefficient: 0.5\n    group_coefficients: {a-group-of-parameters-with-a-long-name: 0.25}")
                .toString(),
            "--output=" + directory.resolve("merged.safetensors"));
    assertThat(printed.out().lines())
        .contains("    λ in a-group-of-parameters-with-a-long-name 0.25")
        .anyMatch(line -> line.matches("model-a +0\\.500000 .*"));
  }

  private void assertRejected(Path yaml, String message) {
    CommandOutput printed =
        CommandOutput.of(
            "merge", yaml.toString(), "--output=" + directory.resolve("merged.safetensors"));
    assertThat(printed.exit()).isEqualTo(1);
    assertThat(printed.err()).contains(message);
  }
}
