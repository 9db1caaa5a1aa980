package io.fisherstreams.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.config.MergeFile.Model;
import io.fisherstreams.fisher.Coefficients;
import io.fisherstreams.fisher.FisherAverage;
import io.fisherstreams.fisher.GradientMatching;
import io.fisherstreams.fisher.MergeFormula;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.fisher.TaskArithmetic;
import io.fisherstreams.gradient.device.ComputeSettings;
import io.fisherstreams.gradient.device.DeviceChoice;
import io.fisherstreams.gradient.device.DeviceChoice.Kind;
import io.fisherstreams.gradient.device.Precision;
import io.fisherstreams.record.EstimatorName;
import io.fisherstreams.record.ModelName;
import io.fisherstreams.record.UnchangedWeight;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;

class MergeFileTest {
  private static final String MINIMAL =
      """
      base: base.safetensors
      models:
        - name: a
          checkpoint: a.safetensors
          fisher: a.fisher.safetensors
      """;

  @TempDir Path folder;

  @Test
  void readsEveryKey() throws IOException {
    Path file =
        write(
            """
            base: ../base   # a folder
            models:
              - name: org/model-a_1.5
                checkpoint: /models/a.safetensors
                fisher: fishers/a.safetensors
                coefficient: 0.7
              - name: b
                checkpoint: b
                examples: b.jsonl
                head: head.safetensors
                coefficient: 2
            method:
              exclude_param_names_regex: ['head', "visual.*"]
              normalize_fisher_weight: false
              minimal_fisher_weight: 1e-08
              num_fisher_examples: 512
              estimator: fusion_bench
              samples: 3
              seed: -7
              batch_size: 16
            """);
    MergeFile merge = MergeFile.read(file);

    assertThat(merge.file()).isEqualTo(file);
    assertThat(merge.base()).isEqualTo(folder.resolveSibling("base"));
    Model a = merge.models().get(0);
    assertThat(a.name()).isEqualTo("org/model-a_1.5");
    assertThat(a.checkpoint()).isEqualTo(Path.of("/models/a.safetensors"));
    assertThat(a.fisher()).isEqualTo(Optional.of(folder.resolve("fishers/a.safetensors")));
    assertThat(a.examples()).isEmpty();
    assertThat(merge.coefficients(a)).isEqualTo(Coefficients.of(0.7));
    Model b = merge.models().get(1);
    assertThat(b.examples()).isEqualTo(Optional.of(folder.resolve("b.jsonl")));
    assertThat(b.head()).isEqualTo(Optional.of(folder.resolve("head.safetensors")));
    assertThat(merge.coefficients(b)).isEqualTo(Coefficients.of(2));
    MergeFile.Method method = merge.method();
    assertThat(method.excludeParamNamesRegex()).containsExactly("head", "visual.*");
    assertThat(method.formula()).isEqualTo(FisherAverage.of(1e-8, false));
    assertThat(method.numFisherExamples()).isEqualTo(512);
    assertThat(method.estimator()).hasValue(EstimatorName.FUSION_BENCH);
    assertThat(method.samples()).isEqualTo(3);
    assertThat(method.seed()).isEqualTo(-7);
    assertThat(method.batchSize()).isEqualTo(16);
  }

  @Test
  void readsTheDeviceAndThePrecision() throws IOException {
    assertThat(MergeFile.read(write(MINIMAL)).compute()).isEmpty();
    assertThat(MergeFile.read(write(MINIMAL + "device: gpu:3\n")).compute())
        .hasValue(new ComputeSettings(new DeviceChoice(Kind.GPU, 3), Precision.FLOAT32));
    assertThat(MergeFile.read(write(MINIMAL + "compute_dtype: bfloat16\n")).compute())
        .hasValue(new ComputeSettings(DeviceChoice.CPU, Precision.BFLOAT16));
  }

  @Test
  void fillsInTheDefaults() throws IOException {
    MergeFile merge =
        MergeFile.read(
            write(
                MINIMAL
                    + """
                      - {name: b, checkpoint: b, fisher: f}
                      - {name: c, checkpoint: c, fisher: f, coefficient: 0}
                      - {name: d, checkpoint: d, fisher: f}
                    """));

    assertThat(merge.method())
        .isEqualTo(
            new MergeFile.Method(
                List.of(),
                FisherAverage.of(1e-6, true),
                256,
                Optional.empty(),
                1,
                0,
                8,
                UnchangedWeight.NO_SAY,
                256,
                ParameterGroups.NONE));
    assertThat(merge.models().stream().map(merge::coefficients))
        .containsExactly(
            Coefficients.of(0.25),
            Coefficients.of(0.25),
            Coefficients.of(0),
            Coefficients.of(0.25));
  }

  @Test
  void readsEveryConformanceCase() throws Exception {
    Path cases = Path.of(MergeFileTest.class.getResource("/conformance/merge").toURI());
    try (Stream<Path> folders = Files.list(cases)) {
      List<MergeFile> files =
          folders.map(folder -> MergeFile.read(folder.resolve("merge.yaml"))).toList();
      assertThat(files).hasSize(21);
      for (MergeFile file : files) {
        assertThat(file.base()).exists();
        assertThat(file.method().formula().constant()).isEqualTo(1e-6);
        assertThat(file.models())
            .allSatisfy(
                model -> {
                  assertThat(model.checkpoint()).exists();
                  assertThat(model.fisher().orElseThrow()).exists();
                });
      }
    }
  }

  @Test
  void readsTheKeysOfEachMethod() throws IOException {
    assertThat(formula("{}")).isEqualTo(FisherAverage.of(1e-6, true));
    assertThat(formula("{name: fisher, scale: 1.4, fisher_exponent: 0.5}"))
        .isEqualTo(new FisherAverage(1.4, 0.5, FisherAverage.Unit.NORM, 1e-6));
    assertThat(formula("{relative_fisher_weight: 1e-3}"))
        .isEqualTo(new FisherAverage(1, 1, FisherAverage.Unit.MEAN, 1e-3));
    assertThat(formula("{name: gradient_matching}")).isEqualTo(new GradientMatching(1, 0.3));
    assertThat(formula("{name: gradient_matching, scale: 0.8, prior: 2}"))
        .isEqualTo(new GradientMatching(0.8, 2));
    assertThat(formula("{name: task_arithmetic}")).isEqualTo(new TaskArithmetic(0.3));
    assertThat(formula("{name: task_arithmetic, scale: 0}")).isEqualTo(new TaskArithmetic(0));
  }

  private MergeFormula formula(String method) throws IOException {
    return MergeFile.read(write(MINIMAL + "method: " + method + "\n")).method().formula();
  }

  @Test
  void taskArithmeticNeedsNoFisherAndAcceptsNegativeCoefficients() throws IOException {
    MergeFile file =
        MergeFile.read(
            write(
                """
                base: b
                models:
                  - {name: a, checkpoint: a}
                  - {name: b, checkpoint: b, coefficient: -0.5}
                method: {name: task_arithmetic}
                """));

    assertThat(file.models().stream().map(file::coefficients))
        .containsExactly(Coefficients.of(1), Coefficients.of(-0.5));
    assertThat(file.models()).noneMatch(model -> file.estimates(model));
  }

  static Stream<Arguments> rejections() {
    String method = MINIMAL + "method:\n  ";
    String model = MINIMAL + "    ";
    String flow = "base: b\nmodels: [{%s}]\n";
    return Stream.of(
        // the text of the file; what the message must hold
        Arguments.of(MINIMAL + "metod: {}\n", "line 6: metod: unknown key, did you mean 'method'?"),
        Arguments.of(
            model + "coeficient: 1\n",
            "line 6: models[0].coeficient: unknown key, did you mean 'coefficient'?"),
        Arguments.of(
            method + "minimal_fisher_wieght: 1\n",
            "line 7: method.minimal_fisher_wieght: unknown key, did you mean"
                + " 'minimal_fisher_weight'?"),
        Arguments.of(
            method + "temperature: 1\n",
            "line 7: method.temperature: unknown key; known are batch_size, estimator, exact_vocabulary"),
        Arguments.of(MINIMAL + "base: other\n", "line 6: base: duplicate key"),
        Arguments.of(model + "name: b\n", "line 6: models[0].name: duplicate key"),
        Arguments.of(method + "seed: 1\n  seed: 2\n", "line 8: method.seed: duplicate key"),
        Arguments.of("models: []\n", "line 1: base: the key is missing"),
        Arguments.of("base: b\n", "models: models is empty"),
        Arguments.of("base: b\nmodels: []\n", "line 2: models: models is empty"),
        Arguments.of(
            flow.formatted("checkpoint: c, fisher: f"),
            "line 2: models[0].name: the key is missing"),
        Arguments.of(
            flow.formatted("name: a, fisher: f"), "models[0].checkpoint: the key is missing"),
        Arguments.of(
            flow.formatted("name: a, checkpoint: c"),
            "line 2: models[0].fisher: model 'a' has neither fisher nor examples"),
        Arguments.of(
            model + "examples: e\n", "models[0].fisher: model 'a' has both fisher and examples"),
        Arguments.of(model + "coefficient: -0.1\n", "line 6: models[0].coefficient: is '-0.1'"),
        Arguments.of(
            MINIMAL + "method: {name: gradient_maching}\n",
            "line 6: method.name: name is 'gradient_maching', expected one of fisher, gradient_matching, task_arithmetic"),
        Arguments.of(
            MINIMAL + "method: {name: gradient_matching, minimal_fisher_weight: 1e-6}\n",
            "gradient_matching has no minimal_fisher_weight: remove it"),
        Arguments.of(
            MINIMAL + "method: {name: gradient_matching, fisher_exponent: 1}\n",
            "gradient_matching has no fisher_exponent: remove it"),
        Arguments.of(
            MINIMAL + "method: {name: gradient_matching, prior: 0}\n",
            "prior is 0.0, expected a number above 0"),
        Arguments.of(
            MINIMAL + "method: {name: gradient_matching, prior: -1}\n", "method.prior: is '-1'"),
        Arguments.of(MINIMAL + "method: {prior: 1}\n", "fisher has no prior: remove it"),
        Arguments.of(
            MINIMAL + "method: {name: task_arithmetic, relative_fisher_weight: 1}\n",
            "task_arithmetic has no relative_fisher_weight: remove it"),
        Arguments.of(
            MINIMAL + "method: {relative_fisher_weight: 1, minimal_fisher_weight: 1}\n",
            "relative_fisher_weight replaces minimal_fisher_weight: remove one of them"),
        Arguments.of(
            MINIMAL + "method: {relative_fisher_weight: 1, normalize_fisher_weight: false}\n",
            "relative_fisher_weight replaces normalize_fisher_weight: remove one of them"),
        Arguments.of(MINIMAL + "method: {scale: -1}\n", "method.scale: is '-1'"),
        Arguments.of(MINIMAL + "method: {scale: .inf}\n", "method.scale: is '.inf'"),
        Arguments.of(
            MINIMAL + "method: {scale: 1e31}\n", "expected 0 or a number from 1e-30 to 1e30"),
        Arguments.of(
            MINIMAL + "method: {fisher_exponent: -0.5}\n", "method.fisher_exponent: is '-0.5'"),
        Arguments.of(model + "coefficient: .nan\n", "models[0].coefficient: is '.nan'"),
        Arguments.of(model + "coefficient: NaN\n", "models[0].coefficient: is 'NaN'"),
        Arguments.of(model + "coefficient: .inf\n", "models[0].coefficient: is '.inf'"),
        Arguments.of(model + "coefficient: Infinity\n", "models[0].coefficient: is 'Infinity'"),
        Arguments.of(model + "coefficient: 1e999\n", "models[0].coefficient: is '1e999'"),
        Arguments.of(model + "coefficient: 1d\n", "models[0].coefficient: is '1d'"),
        Arguments.of(model + "coefficient: 0\n", "coefficients of all models are 0"),
        Arguments.of(model + "coefficient:\n", "line 6: models[0].coefficient: has no value"),
        Arguments.of(model + "coefficient: ~\n", "line 6: models[0].coefficient: has no value"),
        Arguments.of(model + "coefficient: much\n", "models[0].coefficient: is 'much'"),
        Arguments.of(model + "coefficient: '0.5'\n", "models[0].coefficient: expected a number"),
        Arguments.of(model + "coefficient: [1]\n", "models[0].coefficient: expected a number"),
        Arguments.of(
            method + "minimal_fisher_weight: -1e-6\n",
            "line 7: method.minimal_fisher_weight: is '-1e-6', expected a finite number"),
        Arguments.of(method + "minimal_fisher_weight: .nan\n", "minimal_fisher_weight: is '.nan'"),
        Arguments.of(
            method + "normalize_fisher_weight: 1\n",
            "line 7: method.normalize_fisher_weight: is '1', expected true or false"),
        Arguments.of(
            method + "normalize_fisher_weight: 'true'\n",
            "method.normalize_fisher_weight: expected true or false, without quotes"),
        Arguments.of(method + "num_fisher_examples: 0\n", "num_fisher_examples: is '0'"),
        Arguments.of(method + "num_fisher_examples: 2.5\n", "num_fisher_examples: is '2.5'"),
        Arguments.of(
            method + "num_fisher_examples: 99999999999\n", "num_fisher_examples: is '99999999999'"),
        Arguments.of(method + "batch_size: -1\n", "batch_size: is '-1'"),
        Arguments.of(method + "samples: 0\n", "samples: is '0'"),
        Arguments.of(method + "exact_vocabulary: 0\n", "exact_vocabulary: is '0'"),
        Arguments.of(
            method + "exact_vocabulary: 65537\n",
            "method.exact_vocabulary: tokens: 65537, at most 65536 are accepted"),
        Arguments.of(method + "seed: one\n", "seed: is 'one'"),
        Arguments.of(
            method + "estimator: exat\n",
            "line 7: method.estimator: 'exat' is not known, expected one of exact, sampled"),
        Arguments.of(method + "estimator: Exact\n", "'Exact' is not known"),
        Arguments.of(
            method + "exclude_param_names_regex: head\n",
            "method.exclude_param_names_regex: expected a list"),
        Arguments.of(
            method + "exclude_param_names_regex: [a, [b]]\n",
            "method.exclude_param_names_regex[1]: expected a text"),
        Arguments.of(
            method + "exclude_param_names_regex:\n    - a\n    -\n",
            "method.exclude_param_names_regex[1]: expected a text"),
        Arguments.of(
            method + "exclude_param_names_regex: ['ok', 'head[']\n",
            "line 7: method.exclude_param_names_regex: exclusion pattern 'head[' is no regular"
                + " expression: missing closing ]: ["),
        Arguments.of(
            MINIMAL + "device: cuda\n",
            "line 6: device: expected auto, cpu or gpu:N, such as gpu:0, found 'cuda'"),
        Arguments.of(
            MINIMAL + "compute_dtype: half\n",
            "line 6: compute_dtype: expected float32 or bfloat16, found 'half'"),
        Arguments.of(MINIMAL + "method: 3\n", "line 6: method: expected a mapping"),
        Arguments.of(MINIMAL + "method:\n", "line 6: method: has no value"),
        Arguments.of("base: b\nmodels: {}\n", "line 2: models: expected a list"),
        Arguments.of("base: b\nmodels: [a]\n", "models[0]: expected a mapping"),
        Arguments.of("base: b\nmodels: [null]\n", "models[0]: expected a mapping"),
        Arguments.of("base: [b]\nmodels: []\n", "line 1: base: expected a single value"),
        Arguments.of("base: ''\nmodels: []\n", "line 1: base: is empty, expected a path"),
        Arguments.of("base: \"a\\0b\"\nmodels: []\n", "line 1: base: is not a path"),
        Arguments.of(
            flow.formatted("name: a b, checkpoint: c, fisher: f"),
            "line 2: models[0].name: 'a b' is no model name"),
        Arguments.of(
            MINIMAL + "  - {name: a, checkpoint: c, fisher: f}\n", "two models are named 'a'"),
        Arguments.of("base: &x {base: *x}\nmodels: []\n", "base: expected a single value"),
        Arguments.of(MINIMAL + "---\nbase: b\n", "is not valid YAML"),
        Arguments.of("base: [b\n", "is not valid YAML"),
        Arguments.of("base: \u0007\n", "is not valid YAML"),
        Arguments.of("base: " + "[".repeat(10_000), "is not valid YAML"),
        Arguments.of("", "is empty"),
        Arguments.of("# nothing\n", "is empty"),
        Arguments.of("- a\n", "the file: expected a mapping"),
        Arguments.of("just text\n", "the file: expected a mapping"));
  }

  @ParameterizedTest
  @MethodSource("rejections")
  void rejectsNamingFileAndKey(String text, String message) throws IOException {
    Path file = write(text);

    assertThatThrownBy(() -> MergeFile.read(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith(file.toString())
        .hasMessageContaining(message);
  }

  @Test
  void rejectsWhatIsNotUtf8() throws IOException {
    Path file = Files.write(folder.resolve("merge.yaml"), new byte[] {'b', ':', ' ', (byte) 0xff});

    assertThatThrownBy(() -> MergeFile.read(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessage(file + " is not UTF-8");
  }

  @Test
  void takesAliases() throws IOException {
    MergeFile merge =
        MergeFile.read(
            write(
                """
                base: b
                models:
                  - &a {name: a, checkpoint: c, fisher: f}
                method: {exclude_param_names_regex: &patterns [x, y]}
                """));

    assertThat(merge.method().excludeParamNamesRegex()).containsExactly("x", "y");
    assertThat(merge.models()).extracting(Model::name).containsExactly("a");
    assertThatThrownBy(
            () ->
                MergeFile.read(
                    write("base: b\nmodels: [&a {name: a, checkpoint: c, fisher: f}, *a]\n")))
        .hasMessageContaining("two models are named 'a'");
  }

  @Test
  void takesNamesAsTheFileSpellsThem() throws IOException {
    MergeFile merge =
        MergeFile.read(
            write(
                """
                base: &base 007
                models:
                  - {name: 2024, checkpoint: *base, fisher: null.safetensors}
                  - {name: yes, checkpoint: 1e3, fisher: f}
                """));

    assertThat(merge.base()).isEqualTo(folder.resolve("007"));
    assertThat(merge.models()).extracting(Model::name).containsExactly("2024", "yes");
    assertThat(merge.models())
        .extracting(Model::checkpoint)
        .containsExactly(folder.resolve("007"), folder.resolve("1e3"));
  }

  @Test
  void rejectsAFileThatIsAbsentOrNoUtf8() throws IOException {
    assertThatThrownBy(() -> MergeFile.read(folder.resolve("absent.yaml")))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("absent.yaml does not exist");
    Path latin1 = folder.resolve("latin1.yaml");
    Files.write(latin1, "base: größe".getBytes(StandardCharsets.ISO_8859_1));
    assertThatThrownBy(() -> MergeFile.read(latin1))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(latin1.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"a", "model-a", "org/model.v1_2", "_private", "0", "a/b/c"})
  void allowsModelNamesThatAreHarmlessEverywhere(String name) {
    assertThatCode(() -> new ModelName(name)).doesNotThrowAnyException();
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "", " ", "a b", "a@1", "a\n", "a\tb", "../a", "a/../b", "a/.b", ".a", "/a", "a/", "a//b",
        "-rf", "größe", "a\\b", "a:b", "a#1", "a\u0000"
      })
  void rejectsOtherModelNames(String name) {
    assertThatThrownBy(() -> new ModelName(name))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("is no model name")
        .hasMessageNotContainingAny("\n", "\t", "\u0000");
  }

  @Test
  void rejectsEndlessModelNames() {
    assertThatCode(() -> new ModelName("a".repeat(200))).doesNotThrowAnyException();
    assertThatThrownBy(() -> new ModelName("a".repeat(201)))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("201 characters, at most 200");
  }

  private Path write(String text) throws IOException {
    return Files.writeString(folder.resolve("merge.yaml"), text);
  }

  @Test
  void aFaultOfTheSyntaxIsOneLineWithItsPlace() throws IOException {
    Path file = Files.writeString(folder.resolve("tab.yaml"), "base: b\nmodels:\n\t- {name: a}\n");
    assertThatThrownBy(() -> MergeFile.read(file))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("is not valid YAML: line 3, column 1: ")
        .message()
        .doesNotContain("\n");
  }

  @Test
  void aFolderIsNoFile() {
    assertThatThrownBy(() -> MergeFile.read(folder))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(folder + ": cannot be read: ")
        .message()
        .doesNotContain("Exception");
  }
}
