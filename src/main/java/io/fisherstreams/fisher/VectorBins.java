package io.fisherstreams.fisher;

import static io.fisherstreams.tensor.VectorShapes.WIDE;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.LongVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The loops of {@link Bins} with the processor's vectors, with the same bits. Each method returns
 * how many entries it has done; the plain loop does the rest.
 */
final class VectorBins {
  private static final VectorSpecies<Long> LONGS = WIDE.withLanes(long.class);

  private VectorBins() {}

  /** {@link Bins#add} with two bins. */
  static int addTwo(
      ByteBuffer sums, int position, int stride, double[] terms, double sign, int count) {
    int end = WIDE.loopBound(count);
    double firstMagic = Bins.magic(0);
    double secondMagic = Bins.magic(1);
    long firstBits = Double.doubleToRawLongBits(firstMagic);
    long secondBits = Double.doubleToRawLongBits(secondMagic);
    for (int j = 0; j < end; j += WIDE.length()) {
      int at = position + j * Long.BYTES;
      DoubleVector term = DoubleVector.fromArray(WIDE, terms, j).mul(sign);
      DoubleVector first = term.add(firstMagic);
      DoubleVector second = term.sub(first.sub(firstMagic)).add(secondMagic);
      LongVector low = load(sums, at + stride).add(second.reinterpretAsLongs().sub(secondBits));
      LongVector carry = carry(low);
      store(low.sub(carry.lanewise(VectorOperators.LSHL, Bins.STEP)), sums, at + stride);
      store(load(sums, at).add(first.reinterpretAsLongs().sub(firstBits)).add(carry), sums, at);
    }
    return end;
  }

  /** {@link Bins#add} with three bins. */
  static int addThree(
      ByteBuffer sums, int position, int stride, double[] terms, double sign, int count) {
    int end = WIDE.loopBound(count);
    double firstMagic = Bins.magic(0);
    double secondMagic = Bins.magic(1);
    double thirdMagic = Bins.magic(2);
    long firstBits = Double.doubleToRawLongBits(firstMagic);
    long secondBits = Double.doubleToRawLongBits(secondMagic);
    long thirdBits = Double.doubleToRawLongBits(thirdMagic);
    for (int j = 0; j < end; j += WIDE.length()) {
      int at = position + j * Long.BYTES;
      DoubleVector term = DoubleVector.fromArray(WIDE, terms, j).mul(sign);
      DoubleVector first = term.add(firstMagic);
      DoubleVector rest = term.sub(first.sub(firstMagic));
      DoubleVector second = rest.add(secondMagic);
      DoubleVector third = rest.sub(second.sub(secondMagic)).add(thirdMagic);
      LongVector low = load(sums, at + 2 * stride).add(third.reinterpretAsLongs().sub(thirdBits));
      LongVector carry = carry(low);
      store(low.sub(carry.lanewise(VectorOperators.LSHL, Bins.STEP)), sums, at + 2 * stride);
      LongVector middle =
          load(sums, at + stride).add(second.reinterpretAsLongs().sub(secondBits)).add(carry);
      carry = carry(middle);
      store(middle.sub(carry.lanewise(VectorOperators.LSHL, Bins.STEP)), sums, at + stride);
      store(load(sums, at).add(first.reinterpretAsLongs().sub(firstBits)).add(carry), sums, at);
    }
    return end;
  }

  private static LongVector carry(LongVector bin) {
    return bin.add(Bins.HALF).lanewise(VectorOperators.ASHR, Bins.STEP);
  }

  private static LongVector load(ByteBuffer sums, int position) {
    return LongVector.fromByteBuffer(LONGS, sums, position, ByteOrder.LITTLE_ENDIAN);
  }

  private static void store(LongVector bin, ByteBuffer sums, int position) {
    bin.intoByteBuffer(sums, position, ByteOrder.LITTLE_ENDIAN);
  }

  /**
   * Looks for terms that are {@linkplain Bins#isOutside outside} the bins.
   *
   * @return how many terms it has looked at: none when one of them is outside
   */
  static int inside(double[] terms, double least, int count) {
    int end = WIDE.loopBound(count);
    long largest = Double.doubleToRawLongBits(Bins.LARGEST);
    long smallest = Double.doubleToRawLongBits(least);
    LongVector signs = LongVector.zero(LONGS);
    for (int j = 0; j < end; j += WIDE.length()) {
      LongVector magnitude =
          DoubleVector.fromArray(WIDE, terms, j).reinterpretAsLongs().and(Long.MAX_VALUE);
      // The sign bit is set where magnitude > largest, or 0 < magnitude < smallest.
      LongVector above = magnitude.neg().add(largest);
      LongVector below = magnitude.sub(smallest).and(magnitude.neg());
      signs = signs.or(above).or(below);
    }
    return signs.reduceLanes(VectorOperators.OR) >= 0 ? end : 0;
  }

  /**
   * {@link Bins#total} of the first entries.
   *
   * @return how many it has done: none when one of them is so large that its first bin is no exact
   *     float64
   */
  static int totals(ByteBuffer sums, int position, int stride, int bins, double[] out, int count) {
    int end = WIDE.loopBound(count);
    LongVector signs = LongVector.zero(LONGS);
    for (int j = 0; j < end; j += WIDE.length()) {
      int at = position + j * Long.BYTES;
      LongVector first = load(sums, at);
      signs = signs.or(first.add(Bins.HALF)).or(first.neg().add(Bins.HALF));
      DoubleVector rest = value(load(sums, at + stride), 1);
      if (bins == 3) {
        rest = rest.add(value(load(sums, at + 2 * stride), 2));
      }
      value(first, 0).add(rest).intoArray(out, j);
    }
    return signs.reduceLanes(VectorOperators.OR) >= 0 ? end : 0;
  }

  /** An integer below 2⁵¹ in magnitude, times the bin's unit. */
  private static DoubleVector value(LongVector bin, int number) {
    double magic = Bins.magic(number);
    return bin.add(Double.doubleToRawLongBits(magic)).reinterpretAsDoubles().sub(magic);
  }
}
