package io.fisherstreams.config;

import static org.assertj.core.api.Assertions.assertThat;

import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.FisherAverage.Unit;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.record.UnchangedWeight;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** What is written is read again as the same merge. */
class MergeFileWriterTest {
  private static final String YAML =
      """
      base: models/base
      models:
        - name: cars
          checkpoint: models/cars
          fisher: "fishers/cars #1.safetensors"
        - name: null-and-more
          checkpoint: /elsewhere/svhn
          examples: svhn.jsonl
          head: head.safetensors
          evaluation_examples: "Prüfung: 1.safetensors"
          max_length: 64
      method:
        exclude_param_names_regex: ['score', 'it''s "\\d+"']
        num_fisher_examples: 12
        estimator: sampled
        samples: 3
        seed: -4
        batch_size: 5
        exact_vocabulary: 1000
        unchanged_parameters: epsilon
        groups: {"2": 'h\\.[0-5]\\."', no: "b|ü"}
      compare: [gradient_matching, {name: fisher, relative_fisher_weight: 1e-3}]
      device: gpu:2
      compute_dtype: bfloat16
      """;

  private static final Map<String, Coefficients> COEFFICIENTS =
      Map.of(
          "cars",
          new Coefficients(OptionalDouble.of(1e-7), new TreeMap<>(Map.of("2", 0.3, "no", 1e-9))),
          "null-and-more",
          new Coefficients(OptionalDouble.empty(), new TreeMap<>(Map.of("2", 0.1 + 0.2))));

  @TempDir private Path directory;

  private MergeFile written(MergeFile merge, MergeFormula formula, Path file) {
    MergeFileWriter.write(merge, formula, COEFFICIENTS, "a comment", file);
    return MergeFile.read(file);
  }

  @Test
  void theWholeFileIsReadAgain() throws IOException {
    MergeFile merge = MergeFile.read(Files.writeString(directory.resolve("merge.yaml"), YAML));
    List<MergeFormula> formulas =
        List.of(
            new GradientMatching(1.2345e-5, 1e10),
            new FisherAverage(1.1, 0.5, Unit.MEAN, 1e-3),
            new FisherAverage(1, 1, Unit.NORM, 0),
            new FisherAverage(1, 0, Unit.ONE, 1e-30));
    Path elsewhere = Files.createDirectory(directory.resolve("other"));
    for (Path file : List.of(directory.resolve("tuned.yaml"), elsewhere.resolve("tuned.yaml"))) {
      for (MergeFormula formula : formulas) {
        MergeFile read = written(merge, formula, file);
        assertThat(read.method().formula()).isEqualTo(formula);
        assertThat(read.base()).isEqualTo(merge.base());
        assertThat(merge.compute()).isPresent();
        assertThat(read.compute()).isEqualTo(merge.compute());
        assertThat(read.models())
            .isEqualTo(
                merge.models().stream()
                    .map(
                        model ->
                            new MergeFile.Model(
                                model.name(),
                                model.checkpoint(),
                                model.fisher(),
                                model.examples(),
                                COEFFICIENTS.get(model.name()),
                                model.head(),
                                model.evaluationExamples(),
                                model.maxLength()))
                    .toList());
        assertThat(read.models().get(1).maxLength()).hasValue(64);
        assertThat(read.method().excludeParamNamesRegex())
            .isEqualTo(merge.method().excludeParamNamesRegex());
        assertThat(read.method().estimator()).isEqualTo(merge.method().estimator());
        assertThat(read.method().seed()).isEqualTo(-4);
        assertThat(read.method().samples()).isEqualTo(3);
        assertThat(read.method().batchSize()).isEqualTo(5);
        assertThat(read.method().exactVocabulary()).isEqualTo(1000);
        assertThat(read.method().unchangedParameters()).isEqualTo(UnchangedWeight.EPSILON);
        assertThat(read.method().groups())
            .isEqualTo(
                ParameterGroups.of(
                    List.of(
                        new ParameterGroups.Group("2", "h\\.[0-5]\\.\""),
                        new ParameterGroups.Group("no", "b|ü"))));
        assertThat(read.method().numFisherExamples()).isEqualTo(12);
        assertThat(read.compare().stream().map(MergeFile.Compared::formula))
            .isEqualTo(merge.compare().stream().map(MergeFile.Compared::formula).toList());
      }
    }
  }

  @Test
  void pathsInTheFoldersFileStayRelative() throws IOException {
    MergeFile merge = MergeFile.read(Files.writeString(directory.resolve("merge.yaml"), YAML));
    Path file = directory.resolve("tuned.yaml");
    written(merge, new GradientMatching(1, 1), file);
    assertThat(Files.readString(file))
        .startsWith("# a comment\nbase: models/base\n")
        .contains("checkpoint: /elsewhere/svhn\n")
        .contains("coefficient: 1.0E-7\n");
  }
}
