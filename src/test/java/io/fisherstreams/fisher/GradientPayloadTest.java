package io.fisherstreams.fisher;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import org.junit.jupiter.api.Assertions;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class GradientPayloadTest {
  private final float[] target = {9, 9, 9, 9};
  private final double[] sums = new double[4];

  private static ByteBuffer floats(float... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asFloatBuffer().put(values);
    return bytes.order(ByteOrder.BIG_ENDIAN); // as Avro hands buffers over
  }

  private static ByteBuffer ints(int... values) {
    ByteBuffer bytes = ByteBuffer.allocate(values.length * 4).order(ByteOrder.LITTLE_ENDIAN);
    bytes.asIntBuffer().put(values);
    return bytes.order(ByteOrder.BIG_ENDIAN);
  }

  @Test
  void perExampleGradientsAreSquaredOneByOneAndThenSummed() {
    GradientPayload.perExample(floats(1, -2, 3, 4, 0, -0.5f), 2, 3, sums, target);
    assertThat(target).containsExactly(17, 4, 9.25f, 9);
  }

  @Test
  void perExampleSquaresAreSummedInFloat64() {
    // 4096² + 1² - in float32 every further 1 would be lost
    float[] gradients = new float[1 + 64];
    gradients[0] = 4096;
    java.util.Arrays.fill(gradients, 1, 65, 1);
    GradientPayload.perExample(floats(gradients), 65, 1, sums, target);
    assertThat(target[0]).isEqualTo(16777216f + 64);
  }

  @Test
  void sparseLeavesTheOthersZero() {
    GradientPayload.sparse(ints(0, 2), floats(3, 4), 4, target);
    assertThat(target).containsExactly(3, 0, 4, 0);
    GradientPayload.sparse(ints(), floats(), 4, target);
    assertThat(target).containsExactly(0, 0, 0, 0);
  }

  @Test
  void buffersAreReadFromTheirPositionAndStayAsTheyWere() {
    ByteBuffer data = floats(-8, 1, 2);
    data.position(4);
    GradientPayload.requireDense(data, 2);
    GradientPayload.perExample(data, 1, 2, sums, target);
    assertThat(target).startsWith(1, 4);
    assertThat(data.position()).isEqualTo(4);
  }

  @ParameterizedTest
  @ValueSource(floats = {-1e-30f, Float.NaN, Float.POSITIVE_INFINITY})
  void noEntryIsNegativeOrNotFinite(float bad) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.requireDense(floats(1, bad), 2))
        .withMessageContaining("element 1 is " + bad);
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.sparse(ints(3), floats(bad), 4, target))
        .withMessageContaining("element 3 is " + bad);
  }

  @ParameterizedTest
  @ValueSource(floats = {1e20f, Float.NaN, Float.NEGATIVE_INFINITY})
  void noGradientIsNotFiniteOrTooLargeToSquare(float bad) {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.perExample(floats(1, 1, 1, bad), 2, 2, sums, target))
        .withMessageContaining("element 1");
  }

  @Test
  void lengthsMustFit() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.requireDense(floats(1, 2), 3))
        .withMessageContaining("8 bytes, expected 12");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.perExample(floats(1, 2, 3), 2, 2, sums, target))
        .withMessageContaining("12 bytes, expected 16 (2 examples x 2 float32)");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.sparse(ints(1, 2), floats(1), 4, target))
        .withMessageContaining("4 bytes, expected 8");
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.sparse(ByteBuffer.allocate(5), floats(1), 4, target))
        .withMessageContaining("no multiple of 4");
  }

  @Test
  void indicesAscendWithinTheShard() {
    for (int[] bad : new int[][] {{-1, 0}, {2, 2}, {2, 1}, {0, 4}}) {
      assertThatIllegalArgumentException()
          .isThrownBy(() -> GradientPayload.sparse(ints(bad), floats(1, 1), 4, target))
          .withMessageContaining("expected ascending indices below 4");
    }
  }

  @Test
  void anExampleCountWhoseBytesOverflowIsRejected() {
    assertThatIllegalArgumentException()
        .isThrownBy(() -> GradientPayload.perExample(floats(), 1L << 62, 1, sums, target));
  }

  @Test
  void anEmptyShardTakesNoTimeHoweverManyExamplesAreNamed() {
    Assertions.assertTimeoutPreemptively(
        Duration.ofSeconds(20),
        () -> GradientPayload.perExample(floats(), Long.MAX_VALUE, 0, sums, target));
  }
}
