package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import java.util.List;

/**
 * Self-attention with its projections: out(attention(query x, key x, value x)).
 *
 * <p>When only one row is wanted, queries have one row; keys and values have all rows.
 */
final class AttentionLayer implements Layer {
  private final List<Linear> queryKeyValue;
  private final Attention attention;
  private final Linear out;

  /**
   * A layer of these projections.
   *
   * @param queryKeyValue one projection with all three side by side, or three projections
   */
  AttentionLayer(List<Linear> queryKeyValue, Attention attention, Linear out) {
    this.queryKeyValue = List.copyOf(queryKeyValue);
    this.attention = attention;
    this.out = out;
  }

  @Override
  public Layer.Pass forward(NDArray x, Attending attending) {
    return new Pass(x, attending);
  }

  private final class Pass implements Layer.Pass {
    private final NDArray x;
    private final Attending attending;
    private final NDArray queryRows;
    private final Attention.Pass attended;
    private final NDArray output;

    Pass(NDArray x, Attending attending) {
      this.x = x;
      this.attending = attending;
      NDList projected;
      if (queryKeyValue.size() == 1) {
        queryRows = null;
        projected = queryKeyValue.get(0).forward(x).split(3, 2);
        projected.set(0, attending.selected(projected.get(0)));
      } else {
        queryRows = keep(attending.selected(x));
        projected =
            new NDList(
                queryKeyValue.get(0).forward(queryRows),
                queryKeyValue.get(1).forward(x),
                queryKeyValue.get(2).forward(x));
      }
      attended =
          attention
              .forward(
                  projected.get(0), projected.get(1), projected.get(2), attending, out.precision())
              .kept();
      output = out.forward(attended.output());
    }

    @Override
    public NDArray output() {
      return output;
    }

    @Override
    public NDArray backward(NDArray d, Backward backward) {
      out.addSquares(attended.output(), d, backward);
      NDList projected = attended.backward(out.inputGradient(d), backward);
      return queryKeyValue.size() == 1
          ? fusedBackward(projected, backward)
          : separateBackward(projected, backward);
    }

    private NDArray fusedBackward(NDList d, Backward backward) {
      Linear fused = queryKeyValue.get(0);
      NDArray dQuery = attending.scattered(d.get(0), backward);
      NDArray side = NDArrays.concat(new NDList(dQuery, d.get(1), d.get(2)), 2);
      int[] rows = {1};
      NDArray query = dQuery.sum(rows);
      NDArray key = hasKeyBiasGradient() ? d.get(1).sum(rows) : query.zerosLike();
      fused.addWeightSquares(x, side, backward);
      fused.addBiasSquares(
          NDArrays.concat(new NDList(query, key, d.get(2).sum(rows)), 1), backward);
      return fused.inputGradient(side);
    }

    private NDArray separateBackward(NDList d, Backward backward) {
      queryKeyValue.get(0).addSquares(queryRows, d.get(0), backward);
      if (hasKeyBiasGradient()) {
        queryKeyValue.get(1).addSquares(x, d.get(1), backward);
      } else {
        queryKeyValue.get(1).addWeightSquares(x, d.get(1), backward);
      }
      queryKeyValue.get(2).addSquares(x, d.get(2), backward);
      return attending
          .scattered(queryKeyValue.get(0).inputGradient(d.get(0)), backward)
          .addi(queryKeyValue.get(1).inputGradient(d.get(1)))
          .addi(queryKeyValue.get(2).inputGradient(d.get(2)));
    }

    /**
     * Without rotary positions the key bias has no gradient: it shifts all scores of a query
     * equally, which does not change softmax. Its sum stays exactly 0 instead of rounding noise.
     */
    private boolean hasKeyBiasGradient() {
      return attending.rotary() != null;
    }
  }
}
