package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NameMatchTest {
  private static Optional<NameMatch> of(List<String> file, List<String> wanted) {
    return NameMatch.of(file, wanted, wanted);
  }

  @ParameterizedTest
  @CsvSource({
    "module.layer.weight, layer.weight",
    "_orig_mod.layer.weight, layer.weight",
    "module._orig_mod.layer.weight, layer.weight",
    "_orig_mod.module.layer.weight, layer.weight",
    "layers.0._orig_mod.weight, layers.0.weight",
    "transformer.wte.weight, wte.weight",
    "wte.weight, transformer.wte.weight",
    "module.bert.pooler.weight, pooler.weight",
    "x.LayerNorm.gamma, x.LayerNorm.weight",
    "x.LayerNorm.bias, x.LayerNorm.beta",
  })
  void findsTheWantedNameBehindWhatToolsAdd(String found, String wanted) {
    assertThat(of(List.of(found, "other"), List.of(wanted)))
        .get()
        .extracting(match -> match.names().get(wanted))
        .isEqualTo(found);
  }

  @ParameterizedTest
  @CsvSource({
    "layer.weight, layer.bias", // another parameter
    "my.module.weight, my.weight", // a part of the model is called module
    "dense.gamma, dense.weight", // gamma of what is no norm
    "encoder.layer.weight, decoder.layer.weight",
  })
  void leavesOtherNamesAlone(String found, String wanted) {
    assertThat(of(List.of(found), List.of(wanted))).isEmpty();
  }

  @Test
  void rejectsAWayThatCoversNotAllNamesOrGivesTwoTensorsOneName() {
    assertThat(of(List.of("module.a"), List.of("a", "b"))).isEmpty();
    assertThat(of(List.of("module.a", "_orig_mod.a"), List.of("a"))).isEmpty();
    assertThat(of(List.of("transformer.a", "model.a"), List.of("a"))).isEmpty();
  }

  @Test
  void changesNothingWhereAllNamesAreThere() {
    assertThat(of(List.of("a", "module.a"), List.of("a"))).isEmpty();
  }

  @Test
  void namesTheBestPartialWayForMessages() {
    assertThat(NameMatch.best(List.of("transformer.a", "transformer.b"), List.of("a", "b", "c")))
        .get()
        .extracting(NameMatch::description)
        .isEqualTo("without the prefix 'transformer.'");
  }

  @Test
  void knownNamesChangeInTheWayThatGivesTheWantedOnes() {
    assertThat(NameMatch.of(List.of("a", "b", "c"), List.of("bert.a"), List.of("bert.a", "bert.b")))
        .get()
        .extracting(NameMatch::names)
        .isEqualTo(Map.of("bert.a", "a", "bert.b", "b", "c", "c"));
  }

  @Test
  void wrappersGoWithoutBeingAsked() {
    assertThat(NameMatch.unwrapping(List.of("module.a", "module.module.b", "n_averaged")))
        .get()
        .extracting(NameMatch::names)
        .isEqualTo(Map.of("a", "module.a", "module.b", "module.module.b"));
    assertThat(
            NameMatch.unwrapping(
                List.of("h.0._checkpoint_wrapped_module.a", "_orig_mod.h._orig_mod.b", "c")))
        .get()
        .extracting(NameMatch::names)
        .isEqualTo(
            Map.of(
                "h.0.a",
                "h.0._checkpoint_wrapped_module.a",
                "h.b",
                "_orig_mod.h._orig_mod.b",
                "c",
                "c"));
  }

  @Test
  void aPartThatIsCalledModuleIsNoWrapper() {
    assertThat(NameMatch.unwrapping(List.of("module.a", "head.b"))).isEmpty();
    assertThat(NameMatch.unwrapping(List.of("_orig_mod.module.a", "_orig_mod.head.b")))
        .get()
        .extracting(match -> match.names().keySet())
        .isEqualTo(Set.of("module.a", "head.b"));
  }

  @Test
  void wrappersStayWhereTwoTensorsWouldGetOneName() {
    assertThat(NameMatch.unwrapping(List.of("a", "_orig_mod.a"))).isEmpty();
    assertThat(NameMatch.unwrapping(List.of())).isEmpty();
  }
}
