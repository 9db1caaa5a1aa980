package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;

/**
 * T5's relative positions: a learned number for each head and bucket of distances, added to the
 * attention scores of every layer of a stack.
 */
final class RelativeBias {
  private final LoadedParameter table;
  private final boolean bothDirections;
  private final int buckets;
  private final int maxDistance;

  /**
   * A bias.
   *
   * @param table (buckets, heads)
   * @param bothDirections whether keys after the query have buckets of their own
   * @param maxDistance from where on all distances share a bucket
   */
  RelativeBias(LoadedParameter table, boolean bothDirections, int maxDistance) {
    this.table = table;
    this.bothDirections = bothDirections;
    this.buckets = Math.toIntExact(table.info().shape().get(0));
    this.maxDistance = maxDistance;
  }

  /** The bucket of a key's position minus the query's, as Hugging Face's T5 computes it. */
  int bucket(int distance) {
    int count = bothDirections ? buckets / 2 : buckets;
    int offset = bothDirections && distance > 0 ? count : 0;
    int steps = bothDirections ? Math.abs(distance) : -Math.min(distance, 0);
    int exact = count / 2;
    if (steps < exact) {
      return offset + steps;
    }
    float ratio = (float) Math.log((float) steps / exact);
    float scale = (float) Math.log((double) maxDistance / exact);
    return offset + Math.min(count - 1, exact + (int) (ratio / scale * (count - exact)));
  }

  /** The biases of a stack's pass over texts of one length. */
  Pass forward(NDManager scope, int rows) {
    return new Pass(scope, rows);
  }

  /** One pass of a stack; receives the score gradients of all its layers. */
  final class Pass {
    private final int rows;
    private final int[] bucketOf;
    private final NDArray bias;
    private NDArray gradient;

    private Pass(NDManager scope, int rows) {
      this.rows = rows;
      this.bucketOf = new int[rows * rows];
      for (int query = 0; query < rows; query++) {
        for (int key = 0; key < rows; key++) {
          bucketOf[query * rows + key] = bucket(key - query);
        }
      }
      NDArray ids = scope.create(bucketOf);
      bias =
          Scratch.scoped(
              () ->
                  Embedding.embedding(ids, table.value(), SparseFormat.DENSE)
                      .singletonOrThrow()
                      .transpose()
                      .reshape(1, -1, rows, rows));
    }

    /** (1, heads, rows, rows). */
    NDArray bias() {
      return bias;
    }

    /** Adds the gradients of one layer's scores, (directions, heads, rows, rows). */
    void add(NDArray layer) {
      if (gradient == null) {
        gradient = Scratch.keep(layer);
      } else {
        gradient.addi(layer);
      }
    }

    /** Adds the squared gradients of the table, along the directions of one backward pass. */
    void addSquares(Backward backward) {
      float[] members = new float[bucketOf.length * buckets];
      for (int i = 0; i < bucketOf.length; i++) {
        members[i * buckets + bucketOf[i]] = 1;
      }
      try (NDArray sum = gradient) {
        Scratch.run(
            () -> {
              NDArray select =
                  sum.getManager().create(members, new Shape(bucketOf.length, buckets));
              long directions = sum.getShape().get(0);
              NDArray byBucket = sum.reshape(directions, -1, (long) rows * rows).matMul(select);
              backward.addSquares(table, byBucket.transpose(0, 2, 1));
            });
      }
      gradient = null;
    }
  }
}
