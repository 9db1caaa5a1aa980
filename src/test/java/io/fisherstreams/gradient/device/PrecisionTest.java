package io.fisherstreams.gradient.device;

import static org.assertj.core.api.Assertions.assertThat;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import org.junit.jupiter.api.Test;

class PrecisionTest {
  /** bfloat16 has 8 significant bits: 1 + 2⁻⁷ is one, 1 + 2⁻⁸ lies between two and becomes 1. */
  @Test
  void bfloat16RoundsFactorsAndProduct() {
    try (NDManager manager = Compute.cpu().newManager()) {
      float[] left = {1 + 1f / 128, 1 + 1f / 256, 3};
      NDArray column = manager.create(left, new Shape(3, 1));
      NDArray row = manager.create(new float[] {1, 1 + 1f / 128}, new Shape(1, 2));
      NDArray product = Precision.BFLOAT16.product(column, row);
      assertThat(product.getDataType()).isEqualTo(DataType.FLOAT32);
      // (1 + 2⁻⁷)² = 1 + 2⁻⁶ + 2⁻¹⁴ and 3 + 3 · 2⁻⁷, whose neighbours are 2⁻⁶ apart.
      assertThat(product.toFloatArray())
          .containsExactly(1 + 1f / 128, 1 + 1f / 64, 1, 1 + 1f / 128, 3, 3 + 1f / 32);
      assertThat(Precision.FLOAT32.product(column, row).toFloatArray()[1])
          .isEqualTo((1 + 1f / 128) * (1 + 1f / 128));
    }
  }

  @Test
  void aLinearLayerAddsItsBiasInFloat32() {
    try (NDManager manager = Compute.cpu().newManager()) {
      NDArray x = manager.create(new float[] {1, 2}, new Shape(1, 1, 2));
      NDArray weight = manager.create(new float[] {1, 2, 3, 4}, new Shape(2, 2));
      NDArray bias = manager.create(new float[] {1f / 1024, 0});
      for (Precision precision : Precision.values()) {
        assertThat(precision.linear(x, weight, bias).toFloatArray())
            .containsExactly(5 + 1f / 1024, 11);
        assertThat(precision.linear(x, weight, null).toFloatArray()).containsExactly(5, 11);
      }
    }
  }
}
