package io.fisherstreams.fisher;

import static io.fisherstreams.tensor.VectorShapes.HALF;
import static io.fisherstreams.tensor.VectorShapes.QUARTER;
import static io.fisherstreams.tensor.VectorShapes.WIDE;

import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.tensor.DType;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import jdk.incubator.vector.DoubleVector;
import jdk.incubator.vector.FloatVector;
import jdk.incubator.vector.IntVector;
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The loops of {@link FisherMerge}, {@link GradientMatching}, {@link TaskArithmetic}, {@link
 * FisherSum}, {@link FisherMoments} and {@link GradientPayload} with the processor's vectors. Every
 * product and every sum is rounded on its own, never fused, so the bits are those of the plain
 * loops.
 */
final class VectorSums {
  private static final VectorSpecies<Integer> BITS = HALF.withLanes(int.class);
  private static final VectorSpecies<Integer> WORDS = IntVector.SPECIES_PREFERRED;
  private static final int INFINITY = 0x7F80_0000;

  private VectorSums() {}

  /**
   * Adds the first entries of a model to the sums of a {@link FisherMerge}, as many as fill whole
   * vectors. Reading the payloads directly, instead of copying a block first, lets the processor
   * compute while it waits for memory.
   *
   * @return how many entries it added: 0 for a type that has no loop here
   */
  static int add(
      double[] numerator, double[] denominator, Term term, double epsilon, int elements) {
    if (!hasLoop(term.type())) {
      return 0;
    }
    int end = WIDE.loopBound(elements);
    if (term.type() == DType.F32) {
      addFloat32(numerator, denominator, term, epsilon, end);
    } else {
      addBfloat16(numerator, denominator, term, epsilon, end);
    }
    return end;
  }

  /**
   * Adds two models of one type, one after the other, as {@link #add(double[], double[], Term,
   * double, int)} does. The sums are read and written only once, and twice as many loads are in
   * flight.
   *
   * @return how many entries it added: 0 for a type that has no loop here
   */
  static int add(
      double[] numerator,
      double[] denominator,
      Term term,
      Term next,
      double epsilon,
      int elements) {
    if (!hasLoop(term.type())) {
      return 0;
    }
    int end = WIDE.loopBound(elements);
    if (term.type() == DType.F32) {
      addFloat32(numerator, denominator, term, next, epsilon, end);
    } else {
      addBfloat16(numerator, denominator, term, next, epsilon, end);
    }
    return end;
  }

  private static boolean hasLoop(DType type) {
    return type == DType.F32 || (type == DType.BF16 && QUARTER != null);
  }

  // Each loop is a method of its own, and bin/fisher-streams keeps these methods from being inlined
  // (CompileCommand=dontinline). Two loops in one method outgrow what Java 17's compiler inlines,
  // and it would then allocate their vectors as objects.

  private static void addFloat32(
      double[] numerator, double[] denominator, Term term, double epsilon, int end) {
    double scale = term.scale();
    double bias = term.bias(epsilon);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector w = widen(fisher, j).mul(scale).add(bias);
      increase(numerator, j, w.mul(widen(theta, j)));
      increase(denominator, j, w);
    }
  }

  private static void addBfloat16(
      double[] numerator, double[] denominator, Term term, double epsilon, int end) {
    double scale = term.scale();
    double bias = term.bias(epsilon);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector w = widen(fisher, j).mul(scale).add(bias);
      increase(numerator, j, w.mul(widenBfloat16(theta, j)));
      increase(denominator, j, w);
    }
  }

  private static void addFloat32(
      double[] numerator, double[] denominator, Term term, Term next, double epsilon, int end) {
    double scale = term.scale();
    double bias = term.bias(epsilon);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    double nextScale = next.scale();
    double nextBias = next.bias(epsilon);
    ByteBuffer nextTheta = next.theta();
    ByteBuffer nextFisher = next.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector w = widen(fisher, j).mul(scale).add(bias);
      DoubleVector nextW = widen(nextFisher, j).mul(nextScale).add(nextBias);
      increase(numerator, j, w.mul(widen(theta, j)), nextW.mul(widen(nextTheta, j)));
      increase(denominator, j, w, nextW);
    }
  }

  private static void addBfloat16(
      double[] numerator, double[] denominator, Term term, Term next, double epsilon, int end) {
    double scale = term.scale();
    double bias = term.bias(epsilon);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    double nextScale = next.scale();
    double nextBias = next.bias(epsilon);
    ByteBuffer nextTheta = next.theta();
    ByteBuffer nextFisher = next.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector w = widen(fisher, j).mul(scale).add(bias);
      DoubleVector nextW = widen(nextFisher, j).mul(nextScale).add(nextBias);
      increase(
          numerator, j, w.mul(widenBfloat16(theta, j)), nextW.mul(widenBfloat16(nextTheta, j)));
      increase(denominator, j, w, nextW);
    }
  }

  /**
   * Adds the first entries of a model to the sums of {@link GradientMatching}.
   *
   * @return how many entries it added: 0 for a type that has no loop here
   */
  static int addMatched(
      double[] numerator,
      double[] denominator,
      Term term,
      double prior,
      double[] base,
      int elements) {
    if (!hasLoop(term.type())) {
      return 0;
    }
    int end = WIDE.loopBound(elements);
    if (term.type() == DType.F32) {
      addMatchedFloat32(numerator, denominator, term, prior, base, end);
    } else {
      addMatchedBfloat16(numerator, denominator, term, prior, base, end);
    }
    return end;
  }

  private static void addMatchedFloat32(
      double[] numerator, double[] denominator, Term term, double prior, double[] base, int end) {
    double scale = term.scale();
    double bias = term.bias(prior);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector g = widen(fisher, j).mul(scale);
      DoubleVector tau = widen(theta, j).sub(DoubleVector.fromArray(WIDE, base, j));
      increase(numerator, j, g.add(bias).mul(tau));
      increase(denominator, j, g);
    }
  }

  private static void addMatchedBfloat16(
      double[] numerator, double[] denominator, Term term, double prior, double[] base, int end) {
    double scale = term.scale();
    double bias = term.bias(prior);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector g = widen(fisher, j).mul(scale);
      DoubleVector tau = widenBfloat16(theta, j).sub(DoubleVector.fromArray(WIDE, base, j));
      increase(numerator, j, g.add(bias).mul(tau));
      increase(denominator, j, g);
    }
  }

  /**
   * Adds the first entries of a model to the sum of {@link TaskArithmetic}.
   *
   * @return how many entries it added: 0 for a type that has no loop here
   */
  static int addDifference(double[] sum, Term term, double[] base, int elements) {
    if (!hasLoop(term.type())) {
      return 0;
    }
    int end = WIDE.loopBound(elements);
    if (term.type() == DType.F32) {
      addDifferenceFloat32(sum, term, base, end);
    } else {
      addDifferenceBfloat16(sum, term, base, end);
    }
    return end;
  }

  private static void addDifferenceFloat32(double[] sum, Term term, double[] base, int end) {
    ByteBuffer theta = term.theta();
    double weight = term.weight();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector tau = widen(theta, j).sub(DoubleVector.fromArray(WIDE, base, j));
      increase(sum, j, tau.mul(weight));
    }
  }

  private static void addDifferenceBfloat16(double[] sum, Term term, double[] base, int end) {
    ByteBuffer theta = term.theta();
    double weight = term.weight();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector tau = widenBfloat16(theta, j).sub(DoubleVector.fromArray(WIDE, base, j));
      increase(sum, j, tau.mul(weight));
    }
  }

  private static void increase(double[] sums, int j, DoubleVector term) {
    DoubleVector.fromArray(WIDE, sums, j).add(term).intoArray(sums, j);
  }

  private static void increase(double[] sums, int j, DoubleVector term, DoubleVector next) {
    DoubleVector.fromArray(WIDE, sums, j).add(term).add(next).intoArray(sums, j);
  }

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

  private static DoubleVector widen(ByteBuffer values, int first) {
    return widenAt(values, first * Float.BYTES);
  }

  private static DoubleVector widenAt(ByteBuffer values, int position) {
    return widen(FloatVector.fromByteBuffer(HALF, values, position, ByteOrder.LITTLE_ENDIAN));
  }

  private static DoubleVector widenBfloat16(ByteBuffer values, int first) {
    return widen(
        ShortVector.fromByteBuffer(QUARTER, values, first * Short.BYTES, ByteOrder.LITTLE_ENDIAN)
            .convertShape(VectorOperators.S2I, BITS, 0)
            .reinterpretAsInts()
            .lanewise(VectorOperators.LSHL, Short.SIZE)
            .reinterpretAsFloats());
  }

  private static DoubleVector widen(FloatVector values) {
    return (DoubleVector) values.convertShape(VectorOperators.F2D, WIDE, 0);
  }
}
