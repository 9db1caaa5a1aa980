package io.fisherstreams.demo;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.TensorInfo;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class FisherOverlapTest {
  @Test
  void isTheCosineOfEachPairOfFishers() {
    // Sums over several batches: a = (3, 4, 0), b = (0, 0, 2), c = (1, 0, 0).
    FisherOverlap overlap =
        FisherOverlap.of(
            List.of(
                model("a", new float[] {1, 4, 0}, new float[] {2, 0, 0}),
                model("b", new float[] {0, 0, 1}, new float[] {0, 0, 1}),
                model("c", new float[] {1, 0, 0})),
            "w");
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
        FisherOverlap.of(List.of(model("a", new float[3]), model("b", new float[] {1, 2, 3})), "w");
    assertThat(overlap.cosines().get(0)).containsExactly(0.0, 0.0);
  }

  private static FineTunedModel model(String name, float[]... batches) {
    return new FineTunedModel(
        name,
        tensor(new float[3]),
        List.of(batches).stream().map(sums -> new SquaredGradients(tensor(sums), 5)).toList());
  }

  private static Parameters tensor(float[] values) {
    return new Parameters(
        List.of(new TensorInfo("w", DType.F32, List.of(3L))), Map.of("w", values));
  }
}
