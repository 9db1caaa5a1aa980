package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class LayersTest {
  @ParameterizedTest
  @CsvSource({
    "vision_model.encoder.layers.3.self_attn.q_proj.weight, vision_model.encoder.layers.3",
    "h.0.attn.c_attn.bias, h.0",
    "model.layers.12.mlp.experts.7.w1.weight, model.layers.12",
    "0.weight, 0",
    "vision_model.embeddings.patch_embedding.weight, vision_model.embeddings.patch_embedding",
    "wte.weight, wte",
    "conv1.weight, conv1",
    "logit_scale, logit_scale"
  })
  void aLayerIsTheNameUpToItsFirstNumber(String parameter, String layer) {
    assertThat(Layers.of(parameter)).isEqualTo(layer);
  }

  @Test
  void layersComeInTheOrderOfTheirNumbers() {
    List<String> layers =
        new ArrayList<>(List.of("h.10", "wte", "h.9", "h", "h.2", "ln_f", "h.02"));
    layers.sort(Layers.ORDER);
    assertThat(layers).containsExactly("h", "h.02", "h.2", "h.9", "h.10", "ln_f", "wte");
  }
}
