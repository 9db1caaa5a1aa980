package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.ParameterGroups.Group;
import java.util.Collections;
import java.util.List;
import java.util.Map;
import java.util.OptionalDouble;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class ParameterGroupsTest {
  private static final ParameterGroups GROUPS =
      ParameterGroups.of(List.of(new Group("early", "h\\.[0-1]\\."), new Group("all", "h\\.")));

  @Test
  void aParameterBelongsToTheFirstGroupThatMatchesAtItsStart() {
    assertThat(GROUPS.indexOf("h.1.weight")).isZero();
    assertThat(GROUPS.indexOf("h.10.weight")).isEqualTo(1);
    assertThat(GROUPS.indexOf("my.h.1.weight")).isEqualTo(ParameterGroups.NO_GROUP);
    assertThat(GROUPS.indexes(List.of("wte", "h.0.w", "h.2.w")))
        .isEqualTo(Map.of("h.0.w", 0, "h.2.w", 1));
    assertThat(GROUPS.part(List.of("wte", "h.0.w", "h.2.w", "h.1.w"), name -> name))
        .containsExactly(List.of("h.0.w", "h.1.w"), List.of("h.2.w"), List.of("wte"));
  }

  @Test
  void aGroupWithoutAParameterIsRejected() {
    GROUPS.requireMembers(List.of("h.0.w", "h.2.w"));
    assertThatThrownBy(() -> GROUPS.requireMembers(List.of("h.0.w", "h.1.w", "wte")))
        .isInstanceOf(InvalidInput.class)
        .hasMessage(
            "group 'all' has no parameter: its pattern 'h\\.' matches none of the 3 merged parameters that is in no group before it");
  }

  @Test
  void namesAndPatternsThatCannotBeUsedAreRejected() {
    assertRejected(List.of(new Group("a b", "h")), "group 'a b': expected a name of 1 to 64");
    assertRejected(List.of(new Group("a", "h"), new Group("a", "g")), "two groups are named 'a'");
    assertRejected(List.of(new Group("a", "(?=h)")), "pattern of group 'a' '(?=h)' has look-ahead");
    assertRejected(
        Collections.nCopies(9, new Group("a", "h")), "groups has 9 groups, expected at most 8");
  }

  private static void assertRejected(List<Group> groups, String message) {
    assertThatThrownBy(() -> ParameterGroups.of(groups))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining(message);
  }

  @Test
  void aGroupWithoutACoefficientHasTheModels() {
    Coefficients given =
        new Coefficients(OptionalDouble.empty(), new TreeMap<>(Map.of("all", 0.25)));
    assertThat(given.inGroups(GROUPS, 0.5)).containsExactly(0.5, 0.25);
    assertThat(Coefficients.of(0.3).inGroups(GROUPS, 0.5)).isEmpty();
    assertThat(given.with("early", OptionalDouble.of(2)).with("all", OptionalDouble.empty()))
        .isEqualTo(new Coefficients(OptionalDouble.empty(), new TreeMap<>(Map.of("early", 2.0))));
    assertThat(given.orElse(0.5).text()).isEqualTo("0.500000, all 0.250000");
    assertThatThrownBy(() -> given.requireGroups("it", ParameterGroups.NONE))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("it names the group 'all', expected none: the method has no groups");
  }

  /** The closed form of Σ c (F + ε) over parts with different λ. */
  @Test
  void theMassOfAGroupedModelIsThatOfItsParts() {
    GroupedModel model =
        new GroupedModel(
            new MergeFormula.Model(0.5, 12, 3, 10),
            List.of(2.0),
            List.of(new GroupedModel.Part(4, 3), new GroupedModel.Part(8, 7)));
    MergeFormula.Mass mass = model.mass(FisherAverage.of(1, true));
    assertThat(mass.fisher()).isEqualTo(2.0 / 4 * 4 + 0.5 / 4 * 8);
    assertThat(mass.constant()).isEqualTo(2.0 / 4 * 3 + 0.5 / 4 * 7);
  }
}
