package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FisherOverlapTest {
  private static final DigitImages NO_IMAGES = new DigitImages(new byte[0], new byte[0]);

  @Test
  void isTheCosineOfEachPairOfFishers() {
    FisherOverlap overlap =
        FisherOverlap.of(
            List.of(model("a", 3, 4, 0), model("b", 0, 0, 2), model("c", 1, 0, 0)), "w");
    assertThat(overlap.models()).containsExactly("a", "b", "c");
    double[][] expected = {{1, 0, 0.6}, {0, 1, 0}, {0.6, 0, 1}};
    for (int row = 0; row < 3; row++) {
      for (int column = 0; column < 3; column++) {
        assertThat(overlap.cosines().get(row).get(column))
            .isCloseTo(expected[row][column], within(1e-7));
      }
    }
  }

  @Test
  void isZeroForAFisherOfZeros() {
    FisherOverlap overlap =
        FisherOverlap.of(List.of(model("a", 0, 0, 0), model("b", 1, 2, 3)), "w");
    assertThat(overlap.cosines().get(0)).containsExactly(0.0, 0.0);
  }

  private static PooledModel model(String name, float... fisher) {
    return new PooledModel(name, tensor(new float[3]), tensor(fisher), NO_IMAGES, NO_IMAGES);
  }

  private static DigitParameters tensor(float[] values) {
    return new DigitParameters(
        List.of(new TensorInfo("w", DType.F32, List.of(3L))), Map.of("w", values));
  }
}
