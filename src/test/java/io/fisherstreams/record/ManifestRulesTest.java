package io.fisherstreams.record;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatCode;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import java.util.List;
import java.util.function.Consumer;
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
        .setMethod(new MergeMethod(List.of(pattern), true, epsilon, outputDtype))
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
            model().setMethod(new MergeMethod(List.of(), true, 0.0, null)).build(),
            "a BASE manifest, and no other, carries the pool's method"),
        Arguments.of(
            base(-1e-9, "head", null),
            "minimalFisherWeight is -1.0E-9, expected a finite number of at least 0"),
        Arguments.of(base(Double.NaN, "head", null), "minimalFisherWeight is NaN"),
        Arguments.of(base(0, "(", null), "unreadable pattern: '(' is no regular expression"),
        Arguments.of(
            base(0, "head", "F33"), "outputDtype is F33, expected a floating type or null"),
        Arguments.of(
            base(0, "head", "I64"), "outputDtype is I64, expected a floating type or null"),
        Arguments.of(
            model().setCoefficient(-0.5).build(),
            "coefficient is -0.5, expected a finite number of at least 0"),
        Arguments.of(model().setCoefficient(Double.NaN).build(), "coefficient is NaN"),
        Arguments.of(
            model().setCoefficient(Double.POSITIVE_INFINITY).build(), "coefficient is Infinity"),
        Arguments.of(model().setExamples(0).build(), "examples is 0, expected at least 1"),
        Arguments.of(model().setRefineEvery(-1).build(), "refineEvery is -1, expected at least 0"),
        Arguments.of(model().setDecay(0).build(), "decay is 0.0, expected above 0 and at most 1"),
        Arguments.of(model().setDecay(1.5).build(), "decay is 1.5, expected above 0 and at most 1"),
        Arguments.of(model().setDecay(Double.NaN).build(), "decay is NaN"));
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
        m -> m.setEstimation(new Estimation("exact", 1, 0L, 8, List.of())));
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
                model().build(), model().setVersion(4).setCoefficient(0.5).build()))
        .isTrue();
  }
}
