package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;
import io.fisherstreams.gradient.device.Precision;

/**
 * Multi-head scaled dot-product attention on projected queries, keys and values (Vaswani et al.
 * 2017), which has no parameters. Several query heads may share one key head: query head h reads
 * key head h // (heads / key heads).
 */
final class Attention {
  private final int heads;
  private final int keyHeads;
  private final float scale;

  /**
   * Attention with as many key heads as query heads.
   *
   * @param scale of the scores, usually 1/√(width of a head)
   */
  Attention(int heads, double scale) {
    this(heads, heads, scale);
  }

  /**
   * Attention whose query heads share key heads.
   *
   * @param keyHeads a divisor of heads
   */
  Attention(int heads, int keyHeads, double scale) {
    this.heads = heads;
    this.keyHeads = keyHeads;
    this.scale = (float) scale;
  }

  /**
   * Attends.
   *
   * @param query (examples, query rows, heads · width of a head)
   * @param key (examples, rows, key heads · width of a head)
   * @param value shaped as key
   * @param precision of the products
   */
  Pass forward(
      NDArray query, NDArray key, NDArray value, Attending attending, Precision precision) {
    NDArray scaled = split(query, heads);
    scaled = scale == 1 ? scaled : Scratch.times(scaled, scale);
    NDArray turned = split(key, keyHeads);
    if (attending.rotary() != null) {
      scaled = attending.rotary().query(scaled);
      turned = attending.rotary().key(turned);
    }
    NDArray q = grouped(scaled);
    NDArray v = split(value, keyHeads);
    NDArray scores = byHead(precision.product(q, turned.transpose(0, 1, 3, 2)));
    NDArray mask = attending.mask();
    NDArray weights = grouped((mask == null ? scores : scores.add(mask)).softmax(-1));
    NDArray output = merge(byHead(precision.product(weights, v)));
    return new Pass(attending, precision, q, turned, v, weights, output);
  }

  /** One application. Arrays have the query heads of one key head below each other, as rows. */
  final class Pass {
    private final Attending attending;
    private final Precision precision;
    private final NDArray q;
    private final NDArray k;
    private final NDArray v;
    private final NDArray weights;
    private final NDArray output;

    private Pass(
        Attending attending,
        Precision precision,
        NDArray q,
        NDArray k,
        NDArray v,
        NDArray weights,
        NDArray output) {
      this.attending = attending;
      this.precision = precision;
      this.q = q;
      this.k = k;
      this.v = v;
      this.weights = weights;
      this.output = output;
    }

    /** The heads' outputs side by side, (examples, query rows, heads · width of a head). */
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
     * @param d (directions, query rows, heads · width of a head)
     */
    NDList backward(NDArray d, Backward backward) {
      NDArray dOutput = grouped(split(d, heads));
      NDArray w = backward.byDirection(weights);
      NDArray dValue = precision.product(w.transpose(0, 1, 3, 2), dOutput);
      NDArray dWeights = precision.product(dOutput, backward.byDirection(v).transpose(0, 1, 3, 2));
      NDArray weighted = dWeights.muli(w);
      NDArray dScores = weighted.sub(w.mul(weighted.sum(new int[] {3}, true)));
      if (attending.bias() != null) {
        attending.bias().add(byHead(dScores).duplicate());
      }
      NDArray dQuery = precision.product(dScores, backward.byDirection(k));
      dQuery = byHead(scale == 1 ? dQuery : dQuery.muli(scale));
      // The saved queries include the scale already.
      NDArray dKey = precision.product(dScores.transpose(0, 1, 3, 2), backward.byDirection(q));
      if (attending.rotary() != null) {
        dQuery = attending.rotary().queryGradient(dQuery, backward);
        dKey = attending.rotary().keyGradient(dKey, backward);
      }
      return new NDList(merge(dQuery), merge(dKey), merge(dValue));
    }
  }

  private static NDArray split(NDArray x, int heads) {
    long batch = x.getShape().get(0);
    long rows = x.getShape().get(1);
    return x.reshape(batch, rows, heads, -1).transpose(0, 2, 1, 3);
  }

  /** (·, heads, rows, n) to (·, key heads, heads / key heads · rows, n). */
  private NDArray grouped(NDArray x) {
    return heads == keyHeads
        ? x
        : x.reshape(x.getShape().get(0), keyHeads, -1, x.getShape().get(3));
  }

  /** The opposite of {@link #grouped}. */
  private NDArray byHead(NDArray x) {
    return heads == keyHeads ? x : x.reshape(x.getShape().get(0), heads, -1, x.getShape().get(3));
  }

  private static NDArray merge(NDArray x) {
    long batch = x.getShape().get(0);
    long rows = x.getShape().get(2);
    return x.transpose(0, 2, 1, 3).reshape(batch, rows, -1);
  }
}
