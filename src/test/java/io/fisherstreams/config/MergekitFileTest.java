package io.fisherstreams.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.tensor.DType;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What mergekit means by a file, as its documentation describes the two methods. */
class MergekitFileTest {
  @TempDir private Path directory;

  @BeforeEach
  void makeModels() throws IOException {
    for (String model : List.of("base", "cars", "svhn")) {
      Files.createDirectory(directory.resolve(model));
    }
  }

  private MergekitFile read(String yaml) throws IOException {
    return MergekitFile.read(
        Files.writeString(directory.resolve("config.yml"), yaml.replace("@", directory + "/")));
  }

  private static List<Double> coefficients(MergekitFile file) {
    return file.merge().models().stream()
        .map(model -> model.coefficients().own().orElseThrow())
        .toList();
  }

  @Test
  void taskArithmetic() throws IOException {
    MergekitFile file =
        read(
            """
            merge_method: task_arithmetic
            base_model: "@base"
            models:
              - model: "@base"
              - {model: "@cars", parameters: {weight: 0.5}}
              - {model: "@svhn", parameters: {weight: -0.2}}
            parameters: {lambda: 0.8}
            dtype: bfloat16
            """);
    assertThat(file.merge().method().formula()).isEqualTo(new TaskArithmetic(0.8));
    assertThat(file.merge().base()).isEqualTo(directory.resolve("base"));
    assertThat(file.merge().models()).extracting("name").containsExactly("cars", "svhn");
    assertThat(coefficients(file)).containsExactly(0.5, -0.2);
    assertThat(file.dtype()).contains(DType.BF16);
  }

  @Test
  void linearDividesTheWeightsByTheirSum() throws IOException {
    MergekitFile file =
        read(
            """
            merge_method: linear
            models:
              - {model: "@cars", parameters: {weight: 1.0}}
              - {model: "@svhn", parameters: {weight: 3}}
            """);
    assertThat(file.merge().method().formula()).isEqualTo(new TaskArithmetic(1));
    assertThat(file.merge().base()).isEqualTo(directory.resolve("cars"));
    assertThat(coefficients(file)).containsExactly(0.25, 0.75);
    assertThat(file.dtype()).isEmpty();
  }

  @Test
  void aWeightForAllModelsAndSumsThatAreOne() throws IOException {
    MergekitFile file =
        read(
            """
            merge_method: linear
            base_model: "@base"
            models: [{model: "@cars"}, {model: "@base"}, {model: "@svhn", parameters: {weight: 0.4}}]
            parameters: {weight: 0.3, normalize: false}
            out_dtype: float16
            dtype: float32
            """);
    assertThat(coefficients(file).stream().mapToDouble(c -> c).sum()).isEqualTo(1, within(1e-12));
    assertThat(coefficients(file)).containsExactly(0.3, 0.3, 0.4);
    assertThat(file.dtype()).contains(DType.F16);
  }

  @Test
  void normalizedTaskArithmetic() throws IOException {
    MergekitFile file =
        read(
            """
            merge_method: task_arithmetic
            base_model: "@base"
            models: [{model: "@cars"}, {model: "@cars"}]
            parameters: {weight: 2, normalize: true}
            """);
    assertThat(coefficients(file)).containsExactly(0.5, 0.5);
    assertThat(file.merge().models()).extracting("name").containsExactly("cars", "cars-2");
    assertThat(file.merge().method().formula()).isEqualTo(new TaskArithmetic(1));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "merge_method: ties | merge_method: is 'ties'; linear and task_arithmetic are read",
        "merge_method: linear~slices: [] | slices: unknown key",
        "merge_method: linear~tokenizer_source: union | tokenizer_source: unknown key",
        "merge_method: linear~parameters: {int8_mask: true} | parameters.int8_mask: unknown key",
        "merge_method: linear~models: [{model: '@cars'}] | the model has no parameters.weight",
        "merge_method: linear~models: [{model: '@cars', parameters: {weight: [0, 1]}}] | weight: expected a number",
        "merge_method: linear~models: [{model: org/cars}] | there is no 'org/cars' in the working directory",
        "merge_method: linear~models: [{model: '@cars'}, {model: '@svhn'}]~parameters: {weight: 1, normalize: false} | the weights sum to 2.0",
        "merge_method: linear~models: [{model: '@cars', parameters: {weight: 0}}] | the weights sum to 0",
        "merge_method: linear~models: [{model: '@cars'}]~parameters: {weight: 1}~dtype: int8 | dtype: is 'int8'",
        "merge_method: task_arithmetic~models: [{model: '@cars'}] | base_model: the key is missing",
        "merge_method: task_arithmetic~base_model: '@base'~models: [{model: '@base'}] | there is no model to merge",
        "merge_method: task_arithmetic~base_model: '@base'~models: [{model: '@cars'}]~parameters: {weight: 1, lambda: -1} | lambda: is '-1', expected a finite number of at least 0",
      })
  void whatIsNotReadIsNamed(String yaml, String message) {
    assertThatThrownBy(() -> read(yaml.replace('~', '\n')))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("config.yml, line ")
        .hasMessageContaining(message);
  }
}
