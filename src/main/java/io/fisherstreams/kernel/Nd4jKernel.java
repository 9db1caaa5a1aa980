package io.fisherstreams.kernel;

import io.fisherstreams.fisher.MergeKernel;
import io.fisherstreams.fisher.MergeSums.Term;
import io.fisherstreams.fisher.PlainKernel;
import io.fisherstreams.tensor.DType;
import io.fisherstreams.tensor.FloatCodec;
import java.nio.ByteBuffer;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The arithmetic of a merge by ND4J, on whatever its backend uses: the processor, or a GPU. The
 * sums stay in the backend's memory until they are asked for; a model's parameters and Fisher are
 * copied there block by block, in float32 if they have no more digits. Each operation is one of
 * ND4J's element-wise ones on float64, so it is rounded as the plain loops round it.
 */
final class Nd4jKernel implements MergeKernel {
  private final INDArray[] sums;
  private final double[][] totals;
  private INDArray base;
  private double[] baseValues = {};
  private float[] floats = {};
  private double[] doubles = {};
  private int elements;

  /** A kernel, as {@link MergeKernel.Factory#create} makes it. */
  Nd4jKernel(int capacity, int sums) {
    this.sums = new INDArray[sums];
    totals = new double[sums][capacity];
  }

  @Override
  public void begin(int elements, double[] base) {
    baseValues = base;
    close(this.base);
    this.base = null;
    if (this.elements != elements) {
      this.elements = elements;
      floats = new float[elements];
      doubles = new double[elements];
      closeSums();
      for (int i = 0; i < sums.length; i++) {
        sums[i] = Nd4j.createUninitialized(DataType.DOUBLE, elements);
      }
    }
    for (INDArray sum : sums) {
      sum.assign(0);
    }
  }

  @Override
  public void addWeighted(Term term, double constant) {
    try (INDArray theta = parameters(term);
        INDArray weights = fisher(term)) {
      weights.muli(term.scale()).addi(term.bias(constant));
      add(theta, weights);
    }
  }

  @Override
  public void addPowered(Term term, double scale, double bias, double exponent) {
    read(DType.F32, term.fisher());
    for (int j = 0; j < elements; j++) {
      doubles[j] = doubles[j] * scale + bias;
    }
    // ND4J's powers round otherwise than Java's.
    PlainKernel.raise(doubles, elements, exponent);
    try (INDArray weights = Nd4j.createFromArray(doubles);
        INDArray theta = parameters(term)) {
      weights.muli(term.weight());
      add(theta, weights);
    }
  }

  private void add(INDArray theta, INDArray weights) {
    sums[1].addi(weights);
    sums[0].addi(weights.muli(theta));
  }

  @Override
  public void addAverage(Term term) {
    try (INDArray theta = parameters(term)) {
      sums[2].addi(theta.muli(term.weight()));
    }
  }

  @Override
  public void addMatched(Term term, double prior) {
    try (INDArray theta = parameters(term);
        INDArray weights = fisher(term)) {
      sums[1].addi(weights.muli(term.scale()));
      weights.addi(term.bias(prior)).muli(theta.subi(base()));
      sums[0].addi(weights);
    }
  }

  @Override
  public void addDifference(Term term) {
    try (INDArray theta = parameters(term)) {
      sums[0].addi(theta.subi(base()).muli(term.weight()));
    }
  }

  private INDArray base() {
    if (base == null) {
      System.arraycopy(baseValues, 0, doubles, 0, elements);
      base = Nd4j.createFromArray(doubles);
    }
    return base;
  }

  private INDArray parameters(Term term) {
    return widened(term.type(), term.theta());
  }

  private INDArray fisher(Term term) {
    return widened(DType.F32, term.fisher());
  }

  private INDArray widened(DType type, ByteBuffer values) {
    if (type == DType.F64) {
      read(type, values);
      return Nd4j.createFromArray(doubles);
    }
    FloatCodec.toFloat(type, values, 0, floats, 0, elements);
    try (INDArray narrow = Nd4j.createFromArray(floats)) {
      return narrow.castTo(DataType.DOUBLE);
    }
  }

  private void read(DType type, ByteBuffer values) {
    FloatCodec.toDouble(type, values, 0, doubles, 0, elements);
  }

  @Override
  public double[][] totals() {
    for (int i = 0; i < sums.length; i++) {
      sums[i].data().asNioDouble().get(totals[i], 0, elements);
    }
    return totals;
  }

  private void closeSums() {
    for (int i = 0; i < sums.length; i++) {
      close(sums[i]);
      sums[i] = null;
    }
  }

  private static void close(INDArray array) {
    if (array != null) {
      array.close();
    }
  }

  @Override
  public void close() {
    close(base);
    base = null;
    closeSums();
    elements = 0;
  }
}
