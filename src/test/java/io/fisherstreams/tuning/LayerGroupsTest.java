package io.fisherstreams.tuning;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.fisher.ParameterGroups;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class LayerGroupsTest {
  private static TensorInfo tensor(String name, long elements) {
    return new TensorInfo(name, DType.F32, List.of(elements));
  }

  @Test
  void layersAreKeptTogetherAndTheGroupsAreAboutAsLarge() {
    List<TensorInfo> tensors = new ArrayList<>();
    tensors.add(tensor("lm_head.weight", 10));
    tensors.add(tensor("model.embed_tokens.weight", 100));
    for (int layer = 0; layer < 12; layer++) {
      tensors.add(tensor("model.layers." + layer + ".mlp.weight", 90));
      tensors.add(tensor("model.layers." + layer + ".norm.weight", 10));
    }
    tensors.add(tensor("model.norm.weight", 10));
    ParameterGroups groups = LayerGroups.of(tensors, 3);
    assertThat(groups.names()).containsExactly("layers-1", "layers-2", "layers-3");
    // 1,320 elements: head, embedding and layers 0 to 2 have 410, layers 3 to 7 have 500
    assertThat(groups.part(tensors, TensorInfo::name).stream().map(LayerGroupsTest::layers))
        .containsExactly(
            List.of("lm_head", "model.embed_tokens", "0", "1", "2"),
            List.of("3", "4", "5", "6", "7"),
            List.of("8", "9", "10", "11", "model.norm"),
            List.of());
    assertThat(groups.indexOf("model.layers.1.mlp.weight")).isZero();
    assertThat(groups.indexOf("model.layers.11.mlp.weight")).isEqualTo(2);
  }

  private static List<String> layers(List<TensorInfo> tensors) {
    return tensors.stream()
        .map(
            tensor ->
                tensor.name().contains("layers.")
                    ? tensor.name().split("\\.")[2]
                    : tensor.name().replace(".weight", ""))
        .distinct()
        .toList();
  }

  @Test
  void everyGroupGetsALayerHoweverLargeOneIs() {
    List<TensorInfo> tensors =
        List.of(tensor("a.weight", 1), tensor("b.weight", 1_000_000), tensor("c.weight", 1));
    assertThat(LayerGroups.of(tensors, 3).all())
        .extracting(ParameterGroups.Group::pattern)
        .containsExactly("a(?:\\.[^.]*)?$", "b(?:\\.[^.]*)?$", "c(?:\\.[^.]*)?$");
    assertThatThrownBy(() -> LayerGroups.of(tensors, 4))
        .isInstanceOf(InvalidInput.class)
        .hasMessage("the merged parameters have 3 layers, which do not make 4 groups");
  }

  @Test
  void patternsThatWouldBeTooLongAreRejected() {
    List<TensorInfo> tensors = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      tensors.add(tensor("a-layer-with-a-long-name-" + i + ".weight", 1));
    }
    assertThatThrownBy(() -> LayerGroups.of(tensors, 2))
        .isInstanceOf(InvalidInput.class)
        .hasMessageContaining("more than 1000")
        .hasMessageContaining("write the groups in the method yourself");
  }
}
