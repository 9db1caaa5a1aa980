package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class ManifestRulesTest {
  private static ModelManifest.Builder model() {
    return ModelManifest.newBuilder()
        .setModel("a")
        .setVersion(3)
        .setRole(Role.FINE_TUNED)
        .setParameters(List.of(new Parameter("w", "F32", List.of(2L), true)));
  }

  private static ModelManifest base(double epsilon, String pattern, String outputDtype) {
    return model()
        .setRole(Role.BASE)
        .setMethod(MergeMethods.fisher(List.of(pattern), true, epsilon, outputDtype))
        .build();
  }

  @Test
  void acceptsTheDefaultsAndTheEndsOfEveryRange() {
    assertThatCode(() -> ManifestRules.check(model().build())).doesNotThrowAnyException();
    assertThatCode(
            () ->
                ManifestRules.check(
                    model()
                        .setCoefficient(0.0)
                        .setExamples(1)
                        .setRefineEvery(0)
                        .setDecay(1)
                        .build()))
        .doesNotThrowAnyException();
    assertThatCode(() -> ManifestRules.check(base(0, "head", "BF16"))).doesNotThrowAnyException();
    assertThatCode(() -> ManifestRules.check(base(1e-6, "^head", null))).doesNotThrowAnyException();
  }

  static Stream<Arguments> broken() {
    return Stream.of(
        Arguments.of(model().setModel("no spaces").build(), "'no spaces' is no model name"),
        Arguments.of(
            model().setRole(Role.BASE).build(),
            "a BASE manifest, and no other, carries the pool's method"),
        Arguments.of(
            model().setMethod(MergeMethods.fisher(List.of(), true, 0.0, null)).build(),
            "a BASE manifest, and no other, carries the pool's method"),
        Arguments.of(
            base(-1e-9, "head", null),
            "minimalFisherWeight is -1.0E-9, expected a finite number of at least 0"),
        Arguments.of(base(Double.NaN, "head", null), "minimalFisherWeight is NaN"),
        Arguments.of(
            base(0, "(", null),
            "exclusion pattern '(' is no regular expression: missing closing ): ("),
        Arguments.of(
            base(0, "head", "F33"), "outputDtype is F33, expected a floating type or null"),
        Arguments.of(
            base(0, "head", "I64"), "outputDtype is I64, expected a floating type or null"),
        Arguments.of(
            model().setCoefficient(-1e-31).build(),
            "coefficient is -1.0E-31, expected 0 or an absolute value from 1e-30 to 1e30"),
        Arguments.of(model().setCoefficient(Double.NaN).build(), "coefficient is NaN"),
        Arguments.of(
            model().setCoefficient(Double.POSITIVE_INFINITY).build(), "coefficient is Infinity"),
        Arguments.of(
            model().setGroupCoefficients(Map.of("early", Double.NaN)).build(),
            "coefficient in group 'early' is NaN"),
        Arguments.of(
            model().setGroupCoefficients(Map.of("no name", 1.0)).build(),
            "group 'no name': expected a name of 1 to 64"),
        Arguments.of(
            model()
                .setGroupCoefficients(
                    IntStream.range(0, 9)
                        .boxed()
                        .collect(Collectors.toMap(String::valueOf, i -> 1.0)))
                .build(),
            "coefficients in groups: 9, at most 8"),
        Arguments.of(grouped(new ParameterGroup("g", "v")), "group 'g' has no parameter"),
        Arguments.of(grouped(new ParameterGroup("g", "(")), "pattern of group 'g' '(' is no"),
        Arguments.of(
            grouped(new ParameterGroup("g", "w".repeat(1001))),
            "the pattern of a group has 1001 characters"),
        Arguments.of(
            grouped(new ParameterGroup("g", "w"), new ParameterGroup("g", "w")),
            "two groups are named 'g'"),
        Arguments.of(model().setExamples(0).build(), "examples is 0, expected at least 1"),
        Arguments.of(model().setRefineEvery(-1).build(), "refineEvery is -1, expected at least 0"),
        Arguments.of(model().setDecay(0).build(), "decay is 0.0, expected above 0 and at most 1"),
        Arguments.of(model().setDecay(1.5).build(), "decay is 1.5, expected above 0 and at most 1"),
        Arguments.of(model().setDecay(Double.NaN).build(), "decay is NaN"));
  }

  private static ModelManifest grouped(ParameterGroup... groups) {
    ModelManifest base = base(0, "head", null);
    base.getMethod().setGroups(List.of(groups));
    return base;
  }

  private static ModelManifest.Builder with(Parameter... parameters) {
    return model().setParameters(List.of(parameters));
  }

  private static Parameter tensor(String name, Long... shape) {
    return new Parameter(name, "F32", List.of(shape), true);
  }

  private static ModelManifest many(int count, String pattern, int nameLength) {
    List<Parameter> parameters =
        IntStream.range(0, count)
            .mapToObj(i -> tensor(("w" + i).repeat(nameLength).substring(0, nameLength) + i, 1L))
            .toList();
    return model()
        .setRole(Role.BASE)
        .setParameters(parameters)
        .setMethod(MergeMethods.fisher(List.of(pattern), true, 0.0, null))
        .build();
  }

  static Stream<Arguments> tooLarge() {
    // 3,000 tensors of 2^38 elements each stopped a coordinator
    Parameter[] huge =
        IntStream.range(0, 9).mapToObj(i -> tensor("w" + i, 1L << 38)).toArray(Parameter[]::new);
    String text = "x".repeat(3 << 20);
    return Stream.of(
        Arguments.of(with(huge).build(), "elements of the model: 2473901162496, at most"),
        Arguments.of(
            with(IntStream.range(0, 5)
                    .mapToObj(i -> new Parameter("w" + i, "F64", List.of(1L << 38), true))
                    .toArray(Parameter[]::new))
                .build(),
            "bytes of the model: 10995116277760, at most 8796093022208"),
        Arguments.of(with(tensor("w", 1L << 39)).build(), "parameter w has no valid shape: w has"),
        Arguments.of(
            with(tensor("w", Collections.nCopies(65, 1L).toArray(Long[]::new))).build(),
            "dimensions of w: 65, at most 64"),
        Arguments.of(
            with(tensor("x".repeat(1001), 1L)).build(), "a tensor's name has 1001 characters"),
        Arguments.of(with(tensor("w", 1L), tensor("w", 1L)).build(), "parameter w is listed twice"),
        Arguments.of(with().build(), "the manifest lists no parameter"),
        Arguments.of(
            with(tensor("w", -1L)).build(), "parameter w has no valid shape: negative size"),
        Arguments.of(
            with(new Parameter("w", "F31", List.of(1L), true)).build(),
            "parameter w has the unknown dtype F31"),
        Arguments.of(many((1 << 18) + 1, "a", 1), "tensors of the model: 262145, at most 262144"),
        Arguments.of(
            many(20_000, "x{900}", 900), "the exclusion patterns are too large to match 20000"),
        Arguments.of(base(0, "x".repeat(1001), null), "an exclusion pattern has 1001 characters"),
        Arguments.of(
            model()
                .setRole(Role.BASE)
                .setMethod(MergeMethods.fisher(Collections.nCopies(1001, "x"), true, 0.0, null))
                .build(),
            "exclusion patterns: 1001, at most 1000"),
        Arguments.of(model().setConfig(text).build(), "config has 3145728 characters"),
        Arguments.of(model().setContentHash(text).build(), "contentHash has 3145728 characters"),
        Arguments.of(
            model().setEstimation(new Estimation("sampled", 1001, 0L, 8, List.of(), 256)).build(),
            "samples: 1001, at most 1000"),
        Arguments.of(
            model().setEstimation(new Estimation("exact", 1, 0L, 1 << 17, List.of(), 256)).build(),
            "batchSize: 131072, at most 65536"),
        Arguments.of(
            model().setEstimation(new Estimation("exact", 1, 0L, 8, List.of(), 65537)).build(),
            "exactVocabulary: 65537, at most 65536"),
        Arguments.of(
            model().setEstimation(new Estimation("exact", 1, 0L, 8, List.of(), 0)).build(),
            "exactVocabulary is 0, expected at least 1"),
        Arguments.of(
            model().setEstimation(new Estimation(text, 1, 0L, 8, List.of(), 256)).build(),
            "estimator has 3145728 characters"),
        Arguments.of(
            model().setEstimation(new Estimation("exact", 1, 0L, 8, List.of(text), 256)).build(),
            "a frozen tensor's name has 3145728 characters"));
  }

  @ParameterizedTest
  @MethodSource("tooLarge")
  void rejectsWhatIsTooLargeAndNamesTheLimit(ModelManifest manifest, String message) {
    assertThatThrownBy(() -> ManifestRules.check(manifest))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith(message)
        .satisfies(e -> assertThat(e.getMessage()).hasSizeLessThan(1_500));
  }

  @Test
  void acceptsTheLargestModels() {
    assertThatCode(() -> ManifestRules.check(many(200_000, ".*\\.(head|router)\\.", 60)))
        .doesNotThrowAnyException();
    Parameter[] huge =
        IntStream.range(0, 8).mapToObj(i -> tensor("w" + i, 1L << 38)).toArray(Parameter[]::new);
    assertThatCode(() -> ManifestRules.check(with(huge).build())).doesNotThrowAnyException();
  }

  @ParameterizedTest
  @MethodSource("broken")
  void rejectsWhatBreaksARuleAndSaysWhich(ModelManifest manifest, String message) {
    assertThatThrownBy(() -> ManifestRules.check(manifest))
        .isInstanceOf(InvalidInput.class)
        .hasMessageStartingWith(message);
  }

  @Test
  void usesTheCallersNames() {
    assertThatThrownBy(
            () -> ManifestRules.check(model().setRefineEvery(-1).build(), field -> "--" + field))
        .hasMessage("--refineEvery is -1, expected at least 0");
  }

  static Stream<Consumer<ModelManifest>> otherContent() {
    return Stream.of(
        m -> m.setContentHash("other"),
        m -> m.setParameters(List.of(new Parameter("w", "F32", List.of(3L), true))),
        m -> m.setExamples(2),
        m -> m.setRefineEvery(1),
        m -> m.setDecay(0.5),
        m -> m.setConfig("{}"),
        m -> m.setEstimation(new Estimation("exact", 1, 0L, 8, List.of(), 256)));
  }

  @ParameterizedTest
  @MethodSource("otherContent")
  void contentIsAllThatASecondManifestOfAVersionMustNotChange(Consumer<ModelManifest> change) {
    ModelManifest changed = model().build();
    change.accept(changed);
    assertThat(ManifestRules.isSameContent(model().build(), changed)).isFalse();
    assertThat(ManifestRules.isSameContent(changed, model().build())).isFalse();
  }

  @Test
  void versionAndCoefficientAreNoContent() {
    assertThat(
            ManifestRules.isSameContent(
                model().build(),
                model()
                    .setVersion(4)
                    .setCoefficient(0.5)
                    .setGroupCoefficients(Map.of("early", 1.0))
                    .build()))
        .isTrue();
  }
}
