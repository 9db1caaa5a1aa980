package io.fisherstreams.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.fisherstreams.tensor.FloatCodecTest.Format;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class FloatScanTest {
  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "BF16", "F16"})
  void findsTheFirstBadElementWhereverItLies(DType dtype) {
    double nan = Double.NaN;
    double inf = Double.POSITIVE_INFINITY;
    for (int elements : new int[] {1, 2, 3, 4, 5, 7, 8, 9, 4_096, 4_099, 8_191}) {
      ByteBuffer bytes = ByteBuffer.allocate(3 + elements * dtype.bytes());
      double[] values = new double[elements];
      Arrays.setAll(values, i -> i % 3 == 0 ? -0.0 : Math.scalb(1.0, i % 14));
      FloatCodec.fromDouble(dtype, values, 0, elements, bytes, 3);
      bytes.position(3);
      assertThat(FloatScan.firstNaN(dtype, bytes, elements)).isEqualTo(-1);
      assertThat(FloatScan.firstNotFinite(dtype, bytes, elements)).isEqualTo(-1);
      assertThat(FloatScan.firstNegativeOrNotFinite(dtype, bytes, elements)).isEqualTo(-1);

      for (int at : new int[] {0, elements / 2, elements - 2, elements - 1}) {
        if (at < 0) {
          continue;
        }
        for (double bad : new double[] {nan, inf, -inf, -1, -0x1p-14}) {
          double good = values[at];
          FloatCodec.fromDouble(dtype, new double[] {bad}, 0, 1, bytes, 3 + at * dtype.bytes());
          boolean finite = Double.isFinite(bad);
          assertThat(FloatScan.firstNaN(dtype, bytes, elements))
              .isEqualTo(Double.isNaN(bad) ? at : -1);
          assertThat(FloatScan.firstNotFinite(dtype, bytes, elements)).isEqualTo(finite ? -1 : at);
          assertThat(FloatScan.firstNegativeOrNotFinite(dtype, bytes, elements)).isEqualTo(at);
          // Elements beyond the requested ones are ignored.
          assertThat(FloatScan.firstNegativeOrNotFinite(dtype, bytes, at)).isEqualTo(-1);
          FloatCodec.fromDouble(dtype, new double[] {good}, 0, 1, bytes, 3 + at * dtype.bytes());
        }
      }
    }
  }

  @ParameterizedTest
  @MethodSource("io.fisherstreams.tensor.FloatCodecTest#sixteenBitTypes")
  void judgesEverySixteenBitPatternInEveryLane(Format format) {
    for (int lane = 0; lane < 5; lane++) { // four in a long, one in the tail
      ByteBuffer bytes = ByteBuffer.allocate(10).order(ByteOrder.LITTLE_ENDIAN);
      for (int pattern = 0; pattern < 65_536; pattern++) {
        bytes.putShort(2 * lane, (short) pattern);
        double value = format.value(pattern);
        String what = String.format(Locale.ROOT, "0x%04x in lane %d", pattern, lane);
        assertThat(FloatScan.firstNaN(format.dtype(), bytes, 5))
            .as(what)
            .isEqualTo(Double.isNaN(value) ? lane : -1);
        assertThat(FloatScan.firstNotFinite(format.dtype(), bytes, 5))
            .as(what)
            .isEqualTo(Double.isFinite(value) ? -1 : lane);
        assertThat(FloatScan.firstNegativeOrNotFinite(format.dtype(), bytes, 5))
            .as(what)
            .isEqualTo(Double.isFinite(value) && value >= 0 ? -1 : lane);
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32"})
  void judgesRandomBitsAsJavaDoes(DType dtype) {
    Random random = new Random(9);
    long[] edges = {
      0,
      1,
      0x7F7F_FFFFL,
      0x7F80_0000L,
      0x7F80_0001L,
      0x7FFF_FFFFL,
      0x8000_0000L,
      0x8000_0001L,
      0xFF7F_FFFFL,
      0xFF80_0000L,
      0xFF80_0001L,
      0xFFFF_FFFFL,
      0x7FEF_FFFF_FFFF_FFFFL,
      0x7FF0_0000_0000_0000L,
      0x7FF0_0000_0000_0001L,
      Long.MAX_VALUE,
      Long.MIN_VALUE,
      Long.MIN_VALUE + 1,
      0xFFEF_FFFF_FFFF_FFFFL,
      0xFFF0_0000_0000_0000L,
      0xFFF0_0000_0000_0001L,
      -1L
    };
    for (int i = 0; i < 50_000; i++) {
      int elements = 1 + random.nextInt(5);
      ByteBuffer bytes = ByteBuffer.allocate(40).order(ByteOrder.LITTLE_ENDIAN);
      int nan = -1;
      int notFinite = -1;
      int negative = -1;
      for (int at = elements - 1; at >= 0; at--) {
        long bits = random.nextBoolean() ? edges[random.nextInt(edges.length)] : random.nextLong();
        double value;
        if (dtype == DType.F32) {
          bytes.putInt(4 * at, (int) bits);
          value = Float.intBitsToFloat((int) bits);
        } else {
          bytes.putLong(8 * at, bits);
          value = Double.longBitsToDouble(bits);
        }
        nan = Double.isNaN(value) ? at : nan;
        notFinite = Double.isFinite(value) ? notFinite : at;
        negative = Double.isFinite(value) && value >= 0 ? negative : at;
      }
      assertThat(FloatScan.firstNaN(dtype, bytes, elements)).isEqualTo(nan);
      assertThat(FloatScan.firstNotFinite(dtype, bytes, elements)).isEqualTo(notFinite);
      assertThat(FloatScan.firstNegativeOrNotFinite(dtype, bytes, elements)).isEqualTo(negative);
    }
  }

  @Test
  void findsNothingInZeroElements() {
    for (DType dtype : List.of(DType.F64, DType.F32, DType.BF16, DType.F16)) {
      assertThat(FloatScan.firstNaN(dtype, ByteBuffer.allocate(0), 0)).isEqualTo(-1);
    }
  }

  @Test
  void rejectsTypesThatAreNoFloats() {
    assertThatThrownBy(() -> FloatScan.firstNaN(DType.F8_E4M3, ByteBuffer.allocate(10), 1))
        .isInstanceOf(IllegalArgumentException.class);
  }
}
