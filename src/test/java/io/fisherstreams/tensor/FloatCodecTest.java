package io.fisherstreams.tensor;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.math.BigDecimal;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.EnumSource;
import org.junit.jupiter.params.provider.MethodSource;

class FloatCodecTest {
  /** The two 16-bit types, each described by the numbers of its definition only. */
  static Stream<Arguments> sixteenBitTypes() {
    return Stream.of(
        Arguments.of(new Format(DType.BF16, 8, 7)), Arguments.of(new Format(DType.F16, 5, 10)));
  }

  @ParameterizedTest
  @MethodSource("sixteenBitTypes")
  void everySixteenBitPatternHasTheValueOfItsDefinition(Format format) {
    ByteBuffer bytes = allPatterns(0);
    double[] doubles = new double[65_536];
    float[] floats = new float[65_536];
    FloatCodec.toDouble(format.dtype, bytes, 0, doubles, 0, 65_536);
    FloatCodec.toFloat(format.dtype, bytes, 0, floats, 0, 65_536);

    for (int pattern = 0; pattern < 65_536; pattern++) {
      // Boxed, as Double.equals tells -0.0 from 0.0 and holds NaN equal to NaN.
      Double expected = format.value(pattern);
      assertThat((Double) doubles[pattern]).as("0x%04x", pattern).isEqualTo(expected);
      assertThat((Double) (double) floats[pattern]).as("0x%04x", pattern).isEqualTo(expected);
    }
  }

  @ParameterizedTest
  @MethodSource("sixteenBitTypes")
  void everySixteenBitPatternSurvivesARoundTrip(Format format) {
    double[] doubles = new double[65_536];
    FloatCodec.toDouble(format.dtype, allPatterns(0), 0, doubles, 0, 65_536);
    ByteBuffer back = ByteBuffer.allocate(131_072).order(ByteOrder.LITTLE_ENDIAN);
    FloatCodec.fromDouble(format.dtype, doubles, 0, 65_536, back, 0);

    for (int pattern = 0; pattern < 65_536; pattern++) {
      int found = back.getShort(2 * pattern) & 0xFFFF;
      if (Double.isNaN(format.value(pattern))) {
        assertThat(format.value(found)).as("0x%04x", pattern).isNaN();
      } else {
        assertThat(found).as("0x%04x", pattern).isEqualTo(pattern);
      }
    }
  }

  @ParameterizedTest
  @MethodSource("sixteenBitTypes")
  void roundsOnceToNearestEvenAroundEveryHalfwayPoint(Format format) {
    // Between every two neighbours, the last finite value and infinity included: the halfway point,
    // the float64 values next to it, and points so near that float32 would make them a tie.
    for (int pattern = 0; pattern < format.infinity(); pattern++) {
      double low = format.value(pattern);
      double high =
          pattern + 1 == format.infinity()
              ? Math.scalb(1.0, format.bias() + 1)
              : format.value(pattern + 1);
      double half = low + (high - low) / 2;
      int even = pattern + (pattern & 1);
      assertThat(round(format.dtype, half)).as("halfway 0x%04x", pattern).isEqualTo(even);
      assertThat(round(format.dtype, -half)).isEqualTo(even | 0x8000);
      assertThat(round(format.dtype, Math.nextDown(half))).isEqualTo(pattern);
      assertThat(round(format.dtype, Math.nextUp(half))).isEqualTo(pattern + 1);
      assertThat(round(format.dtype, half - half * 0x1p-40)).isEqualTo(pattern);
      assertThat(round(format.dtype, half + half * 0x1p-40)).isEqualTo(pattern + 1);
    }
  }

  @Test
  void doesNotRoundTwiceThroughFloat32() {
    double bfloat16 = 1 + 0x1p-8 + 0x1p-40;
    double float16 = 1 + 0x1p-11 + 0x1p-40;

    assertThat(round(DType.BF16, bfloat16)).isEqualTo(0x3F81);
    assertThat(round(DType.F16, float16)).isEqualTo(0x3C01);
    // What a detour over float32 would give: the tie, and from there the even neighbour.
    assertThat(round(DType.BF16, (float) bfloat16)).isEqualTo(0x3F80);
    assertThat(round(DType.F16, (float) float16)).isEqualTo(0x3C00);
  }

  @ParameterizedTest
  @MethodSource("sixteenBitTypes")
  void agreesWithExactArithmeticOnRandomValues(Format format) {
    Random random = new Random(7);
    for (int i = 0; i < 40_000; i++) {
      // Exponents from far below the type's subnormals to beyond its range.
      double value =
          Math.scalb(
              1 + random.nextDouble(), random.nextInt(2 * format.bias() + 50) - format.bias() - 40);
      assertThat(round(format.dtype, value)).as("%a", value).isEqualTo(format.nearest(value));
      assertThat(round(format.dtype, -value)).isEqualTo(format.nearest(value) | 0x8000);
    }
  }

  @Test
  void roundsFloat64ToFloat32AsExactArithmeticDoes() {
    Random random = new Random(8);
    for (int i = 0; i < 20_000; i++) {
      float low = Float.intBitsToFloat(random.nextInt(0x7F7F_FFFF));
      double half = low + ((double) Math.nextUp(low) - low) / 2;
      boolean lowIsEven = (Float.floatToRawIntBits(low) & 1) == 0;
      assertThat(roundToFloat32(half)).isEqualTo(lowIsEven ? low : Math.nextUp(low));
      assertThat(roundToFloat32(Math.nextDown(half))).isEqualTo(low);
      assertThat(roundToFloat32(Math.nextUp(half))).isEqualTo(Math.nextUp(low));

      double any = low * (1 + random.nextDouble() * 0x1p-20);
      float found = roundToFloat32(any);
      BigDecimal error = new BigDecimal(found).subtract(new BigDecimal(any)).abs();
      for (float other : new float[] {Math.nextDown(found), Math.nextUp(found)}) {
        if (Float.isFinite(other)) {
          assertThat(error)
              .isLessThanOrEqualTo(new BigDecimal(other).subtract(new BigDecimal(any)).abs());
        }
      }
    }
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16", "F64"})
  void keepsSpecialValues(DType dtype) {
    double[] values = {0.0, -0.0, Double.POSITIVE_INFINITY, Double.NEGATIVE_INFINITY, Double.NaN};
    ByteBuffer bytes = ByteBuffer.allocate(5 * dtype.bytes());
    FloatCodec.fromDouble(dtype, values, 0, 5, bytes, 0);
    double[] back = new double[5];
    FloatCodec.toDouble(dtype, bytes, 0, back, 0, 5);

    assertThat(back).containsExactly(values);
  }

  @ParameterizedTest
  @EnumSource(names = {"F32", "BF16", "F16"})
  void sendsWhatIsBeyondTheRangeToInfinityAndWhatIsTooSmallToZero(DType dtype) {
    double[] values = {1e300, -1e300, 1e-300, -1e-300, Double.MIN_VALUE, Double.MAX_VALUE};
    ByteBuffer bytes = ByteBuffer.allocate(6 * dtype.bytes());
    FloatCodec.fromDouble(dtype, values, 0, 6, bytes, 0);
    double[] back = new double[6];
    FloatCodec.toDouble(dtype, bytes, 0, back, 0, 6);

    double inf = Double.POSITIVE_INFINITY;
    assertThat(back).containsExactly(inf, -inf, 0.0, -0.0, 0.0, inf);
  }

  static Stream<Arguments> buffers() {
    // From an odd byte, over more than a chunk and not a whole number of them.
    int capacity = 8 * 5_000;
    return Stream.of(DType.F64, DType.F32, DType.BF16, DType.F16)
        .flatMap(
            dtype ->
                Stream.of(ByteBuffer.allocate(capacity), ByteBuffer.allocateDirect(capacity))
                    .flatMap(
                        buffer ->
                            Stream.of(ByteOrder.BIG_ENDIAN, ByteOrder.LITTLE_ENDIAN)
                                .map(
                                    order ->
                                        Arguments.of(dtype, buffer.duplicate().order(order)))));
  }

  @ParameterizedTest
  @MethodSource("buffers")
  void readsAndWritesAtAbsolutePositionsOfAnyBuffer(DType dtype, ByteBuffer buffer) {
    int elements = 2_500;
    double[] values = new double[elements + 3];
    Arrays.setAll(values, i -> i % 2 == 0 ? i : -i); // below 2^11, but only 2^8 is exact in BF16
    if (dtype == DType.BF16) {
      Arrays.setAll(values, i -> i % 256);
    }
    for (int i = 0; i < buffer.capacity(); i++) {
      buffer.put(i, (byte) 0x55);
    }
    if (dtype == DType.F16) {
      Arrays.setAll(values, i -> i % 2048);
    }
    buffer.position(17);
    FloatCodec.fromDouble(dtype, values, 3, elements, buffer, 11);

    double[] doubles = new double[elements + 5];
    FloatCodec.toDouble(dtype, buffer.asReadOnlyBuffer(), 11, doubles, 5, elements);
    assertThat(Arrays.copyOfRange(doubles, 5, elements + 5))
        .containsExactly(Arrays.copyOfRange(values, 3, elements + 3));
    assertThat(Arrays.copyOf(doubles, 5)).containsOnly(0.0);

    float[] floats = new float[elements + 5];
    FloatCodec.toFloat(dtype, buffer, 11, floats, 5, elements);
    for (int i = 0; i < elements; i++) {
      assertThat(floats[5 + i]).isEqualTo((float) values[3 + i]);
    }

    assertThat(buffer.position()).isEqualTo(17);
    assertThat(buffer.get(10)).isEqualTo((byte) 0x55);
    assertThat(buffer.get(11 + elements * dtype.bytes())).isEqualTo((byte) 0x55);
    // 1.0 lies little-endian, whatever the buffer's own order.
    FloatCodec.fromDouble(dtype, new double[] {1}, 0, 1, buffer, 0);
    assertThat(buffer.get(0)).isIn((byte) 0, (byte) 0x80);
    assertThat(buffer.get(dtype.bytes() - 1)).isIn((byte) 0x3F, (byte) 0x3C);
  }

  @Test
  void roundsFloat64OnceOnTheWayToFloat32() {
    double value = 1 + 0x1p-24 + 0x1p-50;
    ByteBuffer bytes = ByteBuffer.allocate(8).order(ByteOrder.LITTLE_ENDIAN).putDouble(0, value);
    float[] floats = new float[1];
    FloatCodec.toFloat(DType.F64, bytes, 0, floats, 0, 1);

    assertThat(floats[0]).isEqualTo(Math.nextUp(1f));
  }

  @Test
  void convertsZeroElements() {
    ByteBuffer nothing = ByteBuffer.allocate(0);
    for (DType dtype : List.of(DType.F64, DType.F32, DType.BF16, DType.F16)) {
      FloatCodec.toDouble(dtype, nothing, 0, new double[0], 0, 0);
      FloatCodec.toFloat(dtype, nothing, 0, new float[0], 0, 0);
      FloatCodec.fromDouble(dtype, new double[0], 0, 0, nothing, 0);
    }
  }

  @Test
  void rejectsShortBuffersAndTypesThatAreNoFloats() {
    ByteBuffer bytes = ByteBuffer.allocate(10);
    assertThatThrownBy(() -> FloatCodec.toDouble(DType.F32, bytes, 0, new double[9], 0, 3))
        .isInstanceOf(IndexOutOfBoundsException.class)
        .hasMessageContaining("3 elements of F32 from byte 0 of 10");
    assertThatThrownBy(
            () -> FloatCodec.toDouble(DType.F32, bytes, 0, new double[9], 0, Integer.MAX_VALUE))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> FloatCodec.toDouble(DType.F32, bytes, 0, new double[9], 0, -1))
        .isInstanceOf(IndexOutOfBoundsException.class);
    assertThatThrownBy(() -> FloatCodec.toDouble(DType.I32, bytes, 0, new double[9], 0, 1))
        .isInstanceOf(IllegalArgumentException.class)
        .hasMessageContaining("I32");
  }

  private static ByteBuffer allPatterns(int position) {
    ByteBuffer bytes = ByteBuffer.allocate(position + 131_072).order(ByteOrder.LITTLE_ENDIAN);
    for (int pattern = 0; pattern < 65_536; pattern++) {
      bytes.putShort(position + 2 * pattern, (short) pattern);
    }
    return bytes;
  }

  /** A 16-bit type's pattern for a value. */
  private static int round(DType dtype, double value) {
    return roundAlike(dtype, value).getShort(0) & 0xFFFF;
  }

  private static float roundToFloat32(double value) {
    return roundAlike(DType.F32, value).getFloat(0);
  }

  /** Rounds enough of one value to fill any vector, and one more. */
  private static ByteBuffer roundAlike(DType dtype, double value) {
    double[] values = new double[9];
    Arrays.fill(values, value);
    ByteBuffer bytes =
        ByteBuffer.allocate(values.length * dtype.bytes()).order(ByteOrder.LITTLE_ENDIAN);
    FloatCodec.fromDouble(dtype, values, 0, values.length, bytes, 0);
    int rest = bytes.limit() - dtype.bytes();
    if (bytes.slice(0, rest).mismatch(bytes.slice(dtype.bytes(), rest)) >= 0) {
      throw new AssertionError(
          String.format(
              Locale.ROOT,
              "%a of %s, several at once: %s",
              value,
              dtype,
              HexFormat.of().formatHex(bytes.array())));
    }
    return bytes;
  }

  @ParameterizedTest
  @EnumSource(names = {"F64", "F32", "BF16", "F16"})
  void roundsValuesOfAllKindsSideBySideLikeEachAlone(DType dtype) {
    Random random = new Random(9);
    double[] values = new double[1003];
    for (int i = 0; i < values.length; i++) {
      values[i] =
          i % 3 == 0
              ? Double.longBitsToDouble(random.nextLong())
              : Math.scalb(random.nextGaussian(), i % 3 == 1 ? -130 : 0);
    }
    ByteBuffer bytes = ByteBuffer.allocateDirect(1003 * dtype.bytes());
    FloatCodec.fromDouble(dtype, values, 0, 1003, bytes, 0);
    for (int i = 0; i < values.length; i++) {
      ByteBuffer alone = ByteBuffer.allocate(dtype.bytes());
      FloatCodec.fromDouble(dtype, values, i, 1, alone, 0);
      assertThat(bytes.slice(i * dtype.bytes(), dtype.bytes()))
          .as("%a", values[i])
          .isEqualTo(alone);
    }
  }

  /** An IEEE 754 binary interchange format, straight from the standard's definition. */
  record Format(DType dtype, int exponentBits, int fractionBits) {
    int bias() {
      return (1 << (exponentBits - 1)) - 1;
    }

    int infinity() {
      return ((1 << exponentBits) - 1) << fractionBits;
    }

    double value(int pattern) {
      int sign = (pattern >>> 15) == 0 ? 1 : -1;
      int exponent = (pattern & 0x7FFF) >>> fractionBits;
      int fraction = pattern & ((1 << fractionBits) - 1);
      if (exponent == (1 << exponentBits) - 1) {
        return fraction == 0 ? sign * Double.POSITIVE_INFINITY : Double.NaN;
      }
      double significand = (exponent == 0 ? 0 : 1) + fraction / (double) (1 << fractionBits);
      return sign * significand * Math.pow(2, Math.max(exponent, 1) - bias());
    }

    /** The pattern nearest to a positive value by exact comparison, ties to the even pattern. */
    int nearest(double value) {
      int low = 0;
      int high = infinity();
      while (high - low > 1) {
        int middle = (low + high) / 2;
        if (value(middle) <= value) {
          low = middle;
        } else {
          high = middle;
        }
      }
      BigDecimal exact = new BigDecimal(value);
      BigDecimal below = exact.subtract(new BigDecimal(value(low)));
      BigDecimal above =
          new BigDecimal(high == infinity() ? Math.pow(2, bias() + 1) : value(high))
              .subtract(exact);
      int order = below.compareTo(above);
      if (order == 0) {
        return low % 2 == 0 ? low : high;
      }
      return order < 0 ? low : high;
    }
  }
}
