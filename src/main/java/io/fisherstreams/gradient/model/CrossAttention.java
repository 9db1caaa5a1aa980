package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDList;

/** Attention of a decoder to an encoder's output: out(attention(query x, key e, value e)). */
final class CrossAttention implements Layer {
  private final Linear query;
  private final Linear key;
  private final Linear value;
  private final Attention attention;
  private final Linear out;

  /** A layer of these projections. */
  CrossAttention(Linear query, Linear key, Linear value, Attention attention, Linear out) {
    this.query = query;
    this.key = key;
    this.value = value;
    this.attention = attention;
    this.out = out;
  }

  @Override
  public Layer.Pass forward(NDArray x, Attending attending) {
    return new Pass(x, attending);
  }

  private final class Pass implements Layer.Pass {
    private final NDArray x;
    private final Encoded source;
    private final Attention.Pass attended;
    private final NDArray output;

    Pass(NDArray x, Attending attending) {
      this.x = x;
      this.source = attending.source();
      NDArray encoded = source.rows();
      attended =
          attention
              .forward(
                  query.forward(x),
                  key.forward(encoded),
                  value.forward(encoded),
                  attending,
                  out.precision())
              .kept();
      output = keep(out.forward(attended.output()));
    }

    @Override
    public NDArray output() {
      return output;
    }

    @Override
    public NDArray backward(NDArray d, Backward backward) {
      Backward encoder = source.backward(backward);
      out.addSquares(attended.output(), d, backward);
      NDList projected = attended.backward(out.inputGradient(d), backward);
      query.addSquares(x, projected.get(0), backward);
      key.addSquares(source.rows(), projected.get(1), encoder);
      value.addSquares(source.rows(), projected.get(2), encoder);
      source.add(key.inputGradient(projected.get(1)).addi(value.inputGradient(projected.get(2))));
      return query.inputGradient(projected.get(0));
    }
  }
}
