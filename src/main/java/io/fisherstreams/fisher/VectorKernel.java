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
import jdk.incubator.vector.ShortVector;
import jdk.incubator.vector.VectorOperators;
import jdk.incubator.vector.VectorSpecies;

/**
 * The loops that most models need with the processor's vectors: float32 and bfloat16 parameters.
 * Each adds as many entries as fill whole vectors; the plain loops add the rest. They read the
 * payloads directly, instead of copying a block first, so the processor computes while it waits for
 * memory. No product and sum is fused, so the bits are those of the plain loops.
 */
public final class VectorKernel extends PlainKernel {
  private static final VectorSpecies<Integer> BITS = HALF.withLanes(int.class);

  private final double[] numerator;
  private final double[] denominator;

  /** A kernel, as {@link MergeKernel.Factory#create} makes it. */
  public VectorKernel(int capacity, int sums) {
    super(capacity, sums);
    numerator = totals()[0];
    denominator = sums == 1 ? null : totals()[1];
  }

  private static boolean hasLoop(DType type) {
    return type == DType.F32 || (type == DType.BF16 && QUARTER != null);
  }

  /** The first entry that is left to the plain loops; 0 without a loop for the type. */
  private int end(DType type) {
    return hasLoop(type) ? WIDE.loopBound(elements()) : 0;
  }

  @Override
  public void addWeighted(Term term, double constant) {
    int first = end(term.type());
    if (term.type() == DType.F32) {
      addFloat32(numerator, denominator, term, constant, first);
    } else if (first > 0) {
      addBfloat16(numerator, denominator, term, constant, first);
    }
    addWeighted(first, term, constant);
  }

  /** The sums are read and written only once, and twice as many loads are in flight. */
  @Override
  public void addWeighted(Term term, Term next, double constant) {
    if (term.type() != next.type() || !hasLoop(term.type())) {
      addWeighted(term, constant);
      addWeighted(next, constant);
      return;
    }
    int first = end(term.type());
    if (term.type() == DType.F32) {
      addFloat32(numerator, denominator, term, next, constant, first);
    } else {
      addBfloat16(numerator, denominator, term, next, constant, first);
    }
    addWeighted(first, term, constant);
    addWeighted(first, next, constant);
  }

  @Override
  public void addMatched(Term term, double prior) {
    int first = end(term.type());
    if (term.type() == DType.F32) {
      addMatchedFloat32(numerator, denominator, term, prior, base(), first);
    } else if (first > 0) {
      addMatchedBfloat16(numerator, denominator, term, prior, base(), first);
    }
    addMatched(first, term, prior);
  }

  @Override
  public void addDifference(Term term) {
    int first = end(term.type());
    if (term.type() == DType.F32) {
      addDifferenceFloat32(numerator, term, base(), first);
    } else if (first > 0) {
      addDifferenceBfloat16(numerator, term, base(), first);
    }
    addDifference(first, term);
  }

  // Each loop is a method of its own, and bin/fisher-streams keeps these methods from being inlined
  // (CompileCommand=dontinline). Two loops in one method outgrow what Java 17's compiler inlines,
  // and it would then allocate their vectors as objects.

  private static void addFloat32(
      double[] numerator, double[] denominator, Term term, double constant, int end) {
    double scale = term.scale();
    double bias = term.bias(constant);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector w = widen(fisher, j).mul(scale).add(bias);
      increase(numerator, j, w.mul(widen(theta, j)));
      increase(denominator, j, w);
    }
  }

  private static void addBfloat16(
      double[] numerator, double[] denominator, Term term, double constant, int end) {
    double scale = term.scale();
    double bias = term.bias(constant);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    for (int j = 0; j < end; j += WIDE.length()) {
      DoubleVector w = widen(fisher, j).mul(scale).add(bias);
      increase(numerator, j, w.mul(widenBfloat16(theta, j)));
      increase(denominator, j, w);
    }
  }

  private static void addFloat32(
      double[] numerator, double[] denominator, Term term, Term next, double constant, int end) {
    double scale = term.scale();
    double bias = term.bias(constant);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    double nextScale = next.scale();
    double nextBias = next.bias(constant);
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
      double[] numerator, double[] denominator, Term term, Term next, double constant, int end) {
    double scale = term.scale();
    double bias = term.bias(constant);
    ByteBuffer theta = term.theta();
    ByteBuffer fisher = term.fisher();
    double nextScale = next.scale();
    double nextBias = next.bias(constant);
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

  private static DoubleVector widen(ByteBuffer values, int first) {
    return widen(
        FloatVector.fromByteBuffer(HALF, values, first * Float.BYTES, ByteOrder.LITTLE_ENDIAN));
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
