package io.fisherstreams.demo;

import org.bytedeco.javacpp.FloatPointer;
import org.nd4j.linalg.api.buffer.DataType;
import org.nd4j.linalg.api.ndarray.INDArray;
import org.nd4j.linalg.factory.Nd4j;

/**
 * A float32 matrix in native memory for products by ND4J. It is column-major, so a row-major {@code
 * [m, n]} tensor is the matrix of {@code n} rows and {@code m} columns. The owner closes it.
 */
final class Matrix implements AutoCloseable {
  private final INDArray array;
  private final FloatPointer elements;
  private final int size;

  /** A matrix of zeros. */
  Matrix(int rows, int columns) {
    size = Math.multiplyExact(rows, columns);
    array = Nd4j.createUninitialized(DataType.FLOAT, new long[] {rows, columns}, 'f');
    elements = (FloatPointer) array.data().addressPointer();
    write(new float[size], 0);
  }

  /** Number of elements. */
  int size() {
    return size;
  }

  /** Copies all elements from {@code source}, starting at {@code offset}. */
  void write(float[] source, int offset) {
    elements.put(source, offset, size);
  }

  /** Copies all elements to {@code target}, starting at {@code offset}. */
  void read(float[] target, int offset) {
    elements.get(target, offset, size);
  }

  /** Overwrites this matrix with {@code leftᵀ · right}. */
  void becomeTransposedProduct(Matrix left, Matrix right) {
    Nd4j.gemm(left.array, right.array, array, true, false, 1, 0);
  }

  /** Overwrites this matrix with {@code left · right}. */
  void becomeProduct(Matrix left, Matrix right) {
    Nd4j.gemm(left.array, right.array, array, false, false, 1, 0);
  }

  /** Overwrites this matrix with {@code left · rightᵀ}. */
  void becomeProductTransposed(Matrix left, Matrix right) {
    Nd4j.gemm(left.array, right.array, array, false, true, 1, 0);
  }

  @Override
  public void close() {
    array.close();
  }
}
