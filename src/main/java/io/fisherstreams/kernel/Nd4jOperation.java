package io.fisherstreams.kernel;

import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.api.ops.CustomOp;
import org.nd4j.linalg.api.ops.OpContext;
import org.nd4j.linalg.factory.Nd4j;

/**
 * An element-wise operation of ND4J that changes one array by another one, prepared once and run
 * many times. The methods of {@link INDArray} prepare it anew for each call, and what they prepare
 * is freed by JavaCPP's garbage collection only, which bin/fisher-streams switches off.
 */
final class Nd4jOperation implements AutoCloseable {
  private final CustomOp operation;
  private final OpContext context;

  /**
   * Prepares {@code target = operation(target, other)}.
   *
   * @param other has as many elements as the target, or one
   */
  Nd4jOperation(CustomOp operation, INDArray target, INDArray other) {
    this.operation = operation;
    context = Nd4j.getExecutioner().buildContext();
    context.setInputArrays(target, other);
    context.setOutputArrays(target);
  }

  void run() {
    Nd4j.getExecutioner().exec(operation, context);
  }

  @Override
  public void close() {
    try {
      context.close();
    } catch (Exception e) {
      throw new IllegalStateException("ND4J cannot free an operation", e);
    }
  }
}
