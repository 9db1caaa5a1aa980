package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/**
 * Multi-head scaled dot-product attention on projected queries, keys and values (Vaswani et al.
 * 2017), which has no parameters.
 */
final class Attention {
  private final int heads;
  private final float scale;

  /**
   * Attention whose scores are multiplied by a scale.
   *
   * @param scale usually 1/√(width of a head)
   */
  Attention(int heads, double scale) {
    this.heads = heads;
    this.scale = (float) scale;
  }

  /**
   * Attends.
   *
   * @param query (examples, query rows, width)
   * @param key (examples, rows, width)
   * @param value (examples, rows, width)
   * @param mask added to the scores, broadcast to (examples, heads, query rows, rows); null for
   *     none
   */
  Pass forward(NDArray query, NDArray key, NDArray value, NDArray mask) {
    NDArray q = Scratch.times(split(query), scale);
    NDArray k = split(key);
    NDArray v = split(value);
    NDArray scores = q.matMul(k.transpose(0, 1, 3, 2));
    NDArray weights = (mask == null ? scores : scores.add(mask)).softmax(-1);
    return new Pass(q, k, v, weights, merge(weights.matMul(v)));
  }

  /** One application. */
  final class Pass {
    private final NDArray q;
    private final NDArray k;
    private final NDArray v;
    private final NDArray weights;
    private final NDArray output;

    private Pass(NDArray q, NDArray k, NDArray v, NDArray weights, NDArray output) {
      this.q = q;
      this.k = k;
      this.v = v;
      this.weights = weights;
      this.output = output;
    }

    /** The heads' outputs side by side, (examples, query rows, width). */
    NDArray output() {
      return output;
    }

    /**
     * Keeps the arrays that {@link #backward} needs when the scratch scope of the forward pass
     * ends.
     */
    Pass kept() {
      for (NDArray array : new NDArray[] {q, k, v, weights, output}) {
        Scratch.keep(array);
      }
      return this;
    }

    /**
     * Gradients of query, key and value, each shaped as in the forward pass but by direction.
     *
     * @param d (directions, query rows, width)
     */
    NDList backward(NDArray d, Backward backward) {
      NDArray byHead = split(d);
      NDArray w = backward.byDirection(weights);
      NDArray dValue = w.transpose(0, 1, 3, 2).matMul(byHead);
      NDArray dWeights = byHead.matMul(backward.byDirection(v).transpose(0, 1, 3, 2));
      NDArray weighted = dWeights.muli(w);
      NDArray dScores = weighted.sub(w.mul(weighted.sum(new int[] {3}, true)));
      NDArray dQuery = dScores.matMul(backward.byDirection(k)).muli(scale);
      // The saved queries include the scale already.
      NDArray dKey = dScores.transpose(0, 1, 3, 2).matMul(backward.byDirection(q));
      return new NDList(merge(dQuery), merge(dKey), merge(dValue));
    }
  }

  private NDArray split(NDArray x) {
    long batch = x.getShape().get(0);
    long rows = x.getShape().get(1);
    return x.reshape(batch, rows, heads, -1).transpose(0, 2, 1, 3);
  }

  private static NDArray merge(NDArray x) {
    long batch = x.getShape().get(0);
    long rows = x.getShape().get(2);
    return x.transpose(0, 2, 1, 3).reshape(batch, rows, -1);
  }
}
