package io.fisherstreams.checkpoint;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class NameMatchTest {
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
    assertThat(NameMatch.of(List.of(found, "other"), List.of(wanted)))
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
    assertThat(NameMatch.of(List.of(found), List.of(wanted))).isEmpty();
  }

  @Test
  void rejectsAWayThatCoversNotAllNamesOrGivesTwoTensorsOneName() {
    assertThat(NameMatch.of(List.of("module.a"), List.of("a", "b"))).isEmpty();
    assertThat(NameMatch.of(List.of("module.a", "_orig_mod.a"), List.of("a"))).isEmpty();
    assertThat(NameMatch.of(List.of("transformer.a", "model.a"), List.of("a"))).isEmpty();
  }

  @Test
  void changesNothingWhereAllNamesAreThere() {
    assertThat(NameMatch.of(List.of("a", "module.a"), List.of("a"))).isEmpty();
  }

  @Test
  void namesTheBestPartialWayForMessages() {
    assertThat(NameMatch.best(List.of("transformer.a", "transformer.b"), List.of("a", "b", "c")))
        .get()
        .extracting(NameMatch::description)
        .isEqualTo("without the prefix 'transformer.'");
  }
}
