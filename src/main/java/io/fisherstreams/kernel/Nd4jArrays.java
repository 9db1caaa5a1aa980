package io.fisherstreams.kernel;

import java.util.ArrayList;
import java.util.List;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.AddOp;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.MulOp;
import org.nd4j.linalg.api.ops.impl.transforms.pairwise.arithmetic.SubOp;
import org.nd4j.linalg.factory.Nd4j;

/**
 * The arrays of a merge in ND4J's memory and the operations on them: the sums, the base, one
 * model's parameters θ and its weights, all in float64 and of one length.
 */
final class Nd4jArrays implements AutoCloseable {
  private final List<AutoCloseable> owned = new ArrayList<>();
  private final INDArray narrow;
  private final INDArray number;
  private final INDArray zeros;
  private final INDArray[] sums;
  private final INDArray base;
  private final INDArray theta;
  private final INDArray weights;
  private final Nd4jOperation timesNumberWeights;
  private final Nd4jOperation plusNumberWeights;
  private final Nd4jOperation timesThetaWeights;
  private final Nd4jOperation timesNumberTheta;
  private final Nd4jOperation minusBaseTheta;
  private final Nd4jOperation[] plusWeightsSums;
  private final Nd4jOperation[] plusThetaSums;

  /**
   * Arrays of zeros.
   *
   * @param elements of each array, at least 1
   * @param count how many sums an element has
   */
  Nd4jArrays(int elements, int count) {
    narrow = array(DataType.FLOAT, elements);
    number = array(DataType.DOUBLE, 1);
    zeros = array(DataType.DOUBLE, elements);
    base = array(DataType.DOUBLE, elements);
    theta = array(DataType.DOUBLE, elements);
    weights = array(DataType.DOUBLE, elements);
    sums = new INDArray[count];
    plusWeightsSums = new Nd4jOperation[count];
    plusThetaSums = new Nd4jOperation[count];
    for (int i = 0; i < count; i++) {
      sums[i] = array(DataType.DOUBLE, elements);
      plusWeightsSums[i] = own(new Nd4jOperation(new AddOp(), sums[i], weights));
      plusThetaSums[i] = own(new Nd4jOperation(new AddOp(), sums[i], theta));
    }
    timesNumberWeights = own(new Nd4jOperation(new MulOp(), weights, number));
    plusNumberWeights = own(new Nd4jOperation(new AddOp(), weights, number));
    timesThetaWeights = own(new Nd4jOperation(new MulOp(), weights, theta));
    timesNumberTheta = own(new Nd4jOperation(new MulOp(), theta, number));
    minusBaseTheta = own(new Nd4jOperation(new SubOp(), theta, base));
  }

  private INDArray array(DataType type, int elements) {
    INDArray array = Nd4j.zeros(type, elements);
    owned.add(0, array); // after the operations on it
    return array;
  }

  private Nd4jOperation own(Nd4jOperation operation) {
    owned.add(0, operation);
    return operation;
  }

  void clearSums() {
    for (INDArray sum : sums) {
      sum.assign(zeros);
    }
  }

  void setBase(double[] values) {
    write(base, values);
  }

  void setTheta(float[] values) {
    widen(values, theta);
  }

  void setTheta(double[] values) {
    write(theta, values);
  }

  void setWeights(float[] values) {
    widen(values, weights);
  }

  void setWeights(double[] values) {
    write(weights, values);
  }

  private void widen(float[] values, INDArray target) {
    if (Nd4jBackend.usesGpu()) {
      narrow.data().setData(values);
    } else {
      narrow.data().asNioFloat().put(values);
    }
    target.assign(narrow);
  }

  private static void write(INDArray target, double[] values) {
    if (Nd4jBackend.usesGpu()) {
      target.data().setData(values);
    } else {
      target.data().asNioDouble().put(values);
    }
  }

  void multiplyWeights(double factor) {
    number.data().put(0, factor);
    timesNumberWeights.run();
  }

  void increaseWeights(double term) {
    number.data().put(0, term);
    plusNumberWeights.run();
  }

  void multiplyWeightsByTheta() {
    timesThetaWeights.run();
  }

  void multiplyTheta(double factor) {
    number.data().put(0, factor);
    timesNumberTheta.run();
  }

  void subtractBaseFromTheta() {
    minusBaseTheta.run();
  }

  void addWeightsTo(int sum) {
    plusWeightsSums[sum].run();
  }

  void addThetaTo(int sum) {
    plusThetaSums[sum].run();
  }

  void read(int sum, double[] target, int elements) {
    sums[sum].data().asNioDouble().get(target, 0, elements);
  }

  @Override
  public void close() {
    for (AutoCloseable own : owned) {
      try {
        own.close();
      } catch (Exception e) {
        throw new IllegalStateException("ND4J cannot free its memory", e);
      }
    }
    owned.clear();
  }
}
