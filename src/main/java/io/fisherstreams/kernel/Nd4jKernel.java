package io.fisherstreams.kernel;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.fisher.PlainKernel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;

/**
 * The arithmetic of a merge by ND4J, on whatever its backend uses: the processor, or a GPU. The
 * sums stay in the backend's memory until they are asked for; a model's parameters and Fisher are
 * copied there block by block, in float32 if they have no more digits. Each operation is one of
 * ND4J's element-wise ones on float64, so it is rounded as the plain loops round it.
 */
final class Nd4jKernel implements MergeKernel {
  private final double[][] totals;
  private final float[] floats;
  private final double[] doubles;
  private Nd4jArrays arrays;
  private double[] base = {};
  private boolean hasBase;
  private int elements;

  /** A kernel, as {@link MergeKernel.Factory#create} makes it. */
  Nd4jKernel(int capacity, int sums) {
    totals = new double[sums][capacity];
    floats = new float[capacity];
    doubles = new double[capacity];
  }

  @Override
  public void begin(int elements, double[] base) {
    this.base = base;
    this.elements = elements;
    hasBase = false;
    // A shorter run computes with what is left behind it: other arrays would have to be prepared.
    if (arrays == null) {
      arrays = new Nd4jArrays(doubles.length, totals.length);
    }
    arrays.clearSums();
  }

  @Override
  public void addWeighted(Term term, double constant) {
    setTheta(term);
    setFisher(term);
    arrays.multiplyWeights(term.scale());
    arrays.increaseWeights(term.bias(constant));
    addWeighted();
  }

  @Override
  public void addPowered(Term term, double scale, double bias, double exponent) {
    FloatCodec.toDouble(DType.F32, term.fisher(), 0, doubles, 0, elements);
    for (int j = 0; j < elements; j++) {
      doubles[j] = doubles[j] * scale + bias;
    }
    // ND4J's powers round otherwise than Java's.
    PlainKernel.raise(doubles, elements, exponent);
    arrays.setWeights(doubles);
    setTheta(term);
    arrays.multiplyWeights(term.weight());
    addWeighted();
  }

  private void addWeighted() {
    arrays.addWeightsTo(1);
    arrays.multiplyWeightsByTheta();
    arrays.addWeightsTo(0);
  }

  @Override
  public void addAverage(Term term) {
    setTheta(term);
    arrays.multiplyTheta(term.weight());
    arrays.addThetaTo(2);
  }

  @Override
  public void addMatched(Term term, double prior) {
    setDifference(term);
    setFisher(term);
    arrays.multiplyWeights(term.scale());
    arrays.addWeightsTo(1);
    arrays.increaseWeights(term.bias(prior));
    arrays.multiplyWeightsByTheta();
    arrays.addWeightsTo(0);
  }

  @Override
  public void addDifference(Term term) {
    setDifference(term);
    arrays.multiplyTheta(term.weight());
    arrays.addThetaTo(0);
  }

  private void setDifference(Term term) {
    if (!hasBase) {
      System.arraycopy(base, 0, doubles, 0, elements);
      arrays.setBase(doubles);
      hasBase = true;
    }
    setTheta(term);
    arrays.subtractBaseFromTheta();
  }

  private void setTheta(Term term) {
    if (term.type() == DType.F64) {
      FloatCodec.toDouble(term.type(), term.theta(), 0, doubles, 0, elements);
      arrays.setTheta(doubles);
    } else {
      FloatCodec.toFloat(term.type(), term.theta(), 0, floats, 0, elements);
      arrays.setTheta(floats);
    }
  }

  private void setFisher(Term term) {
    FloatCodec.toFloat(DType.F32, term.fisher(), 0, floats, 0, elements);
    arrays.setWeights(floats);
  }

  @Override
  public double[][] totals() {
    for (int i = 0; i < totals.length; i++) {
      arrays.read(i, totals[i], elements);
    }
    return totals;
  }

  @Override
  public void close() {
    if (arrays != null) {
      arrays.close();
      arrays = null;
    }
  }
}
