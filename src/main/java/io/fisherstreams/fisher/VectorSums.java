package io.fisherstreams.fisher;

import static io.fisherstreams.tensor.VectorShapes.HALF;
import static io.fisherstreams.tensor.VectorShapes.WIDE;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The loops of {@link FisherSum}, {@link FisherMoments} and {@link GradientPayload} with the
 * processor's vectors. Every product and every sum is rounded on its own, never fused, so the bits
 * are those of the plain loops.
 */
final class VectorSums {
  private static final VectorSpecies<Integer> WORDS = IntVector.SPECIES_PREFERRED;
  private static final int INFINITY = 0x7F80_0000;

  private VectorSums() {}

  /**
   * Adds {@code multiplier · values[j]} to the first pairs of a {@link FisherSum}, as many as fill
   * whole vectors.
   *
   * @param values little-endian float32 from byte {@code position} on
   * @return how many pairs it added to
   */
  static int addExactly(
      double[] high,
      double[] low,
      ByteBuffer values,
      int position,
      double multiplier,
      int elements) {
    int end = WIDE.loopBound(elements);
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector term = widenAt(values, position + j * Float.BYTES).mul(multiplier);
      DoubleVector before = DoubleVector.fromArray(WIDE, high, j);
      DoubleVector sum = before.add(term);
      DoubleVector rest = DoubleVector.fromArray(WIDE, low, j).add(error(before, term, sum));
      DoubleVector total = sum.add(rest);
      total.intoArray(high, j);
      rest.sub(total.sub(sum)).intoArray(low, j);
    }
    return end;
  }

  /**
   * Adds two terms, one after the other. The pairs are read and written only once.
   *
   * @return how many pairs it added to
   */
  static int addExactly(
      double[] high,
      double[] low,
      ByteBuffer first,
      double firstMultiplier,
      ByteBuffer second,
      double secondMultiplier,
      int position,
      int elements) {
    int end = WIDE.loopBound(elements);
    for (int j = 0; j < end; j += WIDE.length()) {
      int at = position + j * Float.BYTES;
      DoubleVector term = widenAt(first, at).mul(firstMultiplier);
      DoubleVector before = DoubleVector.fromArray(WIDE, high, j);
      DoubleVector sum = before.add(term);
      DoubleVector rest = DoubleVector.fromArray(WIDE, low, j).add(error(before, term, sum));
      DoubleVector total = sum.add(rest);
      rest = rest.sub(total.sub(sum));
      term = widenAt(second, at).mul(secondMultiplier);
      sum = total.add(term);
      rest = rest.add(error(total, term, sum));
      total = sum.add(rest);
      total.intoArray(high, j);
      rest.sub(total.sub(sum)).intoArray(low, j);
    }
    return end;
  }

  /** The rounding error of a sum (Knuth's TwoSum). */
  private static DoubleVector error(DoubleVector before, DoubleVector term, DoubleVector sum) {
    DoubleVector part = sum.sub(before);
    return before.sub(sum.sub(part)).add(term.sub(part));
  }

  /**
   * Sets the sums of a {@link FisherMoments} over the first {@code end} entries, a multiple of the
   * number of sums.
   *
   * @return false, without setting them, on a machine whose vectors are longer than {@code sums}
   */
  static boolean moments(float[] entries, int end, double[] sums, double[] squares) {
    if (WIDE.length() > sums.length) {
      return false;
    }
    for (int lane = 0; lane < sums.length; lane += WIDE.length()) {
      DoubleVector sum = DoubleVector.zero(WIDE);
      DoubleVector square = DoubleVector.zero(WIDE);
      for (int j = lane; j < end; j += sums.length) {
        DoubleVector entry = widen(FloatVector.fromArray(HALF, entries, j));
        sum = sum.add(entry);
        square = square.add(entry.mul(entry));
      }
      sum.intoArray(sums, lane);
      square.intoArray(squares, lane);
    }
    return true;
  }

  /**
   * Whether little-endian float32 from the buffer's position on are finite and not negative. True
   * is certain. False may be wrong: it is also the answer for negative zeros, and for elements that
   * do not fill whole vectors.
   */
  static boolean areSquares(ByteBuffer values, int elements) {
    if (WORDS.loopBound(elements) != elements) {
      return false;
    }
    IntVector belowInfinity = IntVector.broadcast(WORDS, -1);
    IntVector signs = IntVector.zero(WORDS);
    for (int j = 0; j < elements; j += WORDS.length()) {
      int at = values.position() + j * Integer.BYTES;
      IntVector bits = IntVector.fromByteBuffer(WORDS, values, at, ByteOrder.LITTLE_ENDIAN);
      belowInfinity = belowInfinity.and(bits.sub(INFINITY));
      signs = signs.or(bits);
    }
    return belowInfinity.reduceLanes(VectorOperators.AND) < 0
        && signs.reduceLanes(VectorOperators.OR) >= 0;
  }

  private static DoubleVector widenAt(ByteBuffer values, int position) {
    return widen(FloatVector.fromByteBuffer(HALF, values, position, ByteOrder.LITTLE_ENDIAN));
  }

  private static DoubleVector widen(FloatVector values) {
    return (DoubleVector) values.convertShape(VectorOperators.F2D, WIDE, 0);
  }
}
