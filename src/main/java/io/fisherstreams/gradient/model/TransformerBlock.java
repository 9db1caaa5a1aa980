package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import java.util.List;

/**
 * A pre-norm transformer block: y = x + out(attention(qkv(ln₁ x))), result = y + down(f(up(ln₂
 * y))).
 *
 * <p>When a model reads only one row of its last block, that block computes only this row: queries,
 * residual and MLP then have one row, keys and values have all rows.
 */
final class TransformerBlock {
  private final LayerNorm attentionNorm;
  private final List<Linear> queryKeyValue;
  private final Attention attention;
  private final Linear out;
  private final LayerNorm mlpNorm;
  private final Linear up;
  private final Activation activation;
  private final Linear down;

  /**
   * A block of these layers.
   *
   * @param queryKeyValue one layer with all three side by side, or three layers
   */
  TransformerBlock(
      LayerNorm attentionNorm,
      List<Linear> queryKeyValue,
      Attention attention,
      Linear out,
      LayerNorm mlpNorm,
      Linear up,
      Activation activation,
      Linear down) {
    this.attentionNorm = attentionNorm;
    this.queryKeyValue = List.copyOf(queryKeyValue);
    this.attention = attention;
    this.out = out;
    this.mlpNorm = mlpNorm;
    this.up = up;
    this.activation = activation;
    this.down = down;
  }

  /**
   * Runs the block.
   *
   * @param x (examples, rows, width)
   * @param mask added to the attention scores; null for none
   * @param select (examples, 1, rows), 1 at the only row to compute and 0 elsewhere; null for all
   */
  Pass forward(NDArray x, NDArray mask, NDArray select) {
    Pass pass = new Pass(x, select);
    Scratch.scoped(() -> pass.run(mask));
    return pass;
  }

  /** One application; keeps the activations that gradients need. */
  final class Pass {
    private final NDArray x;
    private final NDArray select;
    private LayerNorm.Pass normed;
    private NDArray normedQueryRows;
    private Attention.Pass attended;
    private LayerNorm.Pass mlpNormed;
    private NDArray preActivation;
    private NDArray activated;
    private NDArray slope;
    private NDArray output;

    private Pass(NDArray x, NDArray select) {
      this.x = x;
      this.select = select;
    }

    private NDArray run(NDArray mask) {
      normed = attentionNorm.forward(x);
      NDArray input = keep(normed.output());
      NDList projected;
      if (queryKeyValue.size() == 1) {
        projected = queryKeyValue.get(0).forward(input).split(3, 2);
        projected.set(0, selected(projected.get(0)));
      } else {
        normedQueryRows = keep(selected(input));
        projected =
            new NDList(
                queryKeyValue.get(0).forward(normedQueryRows),
                queryKeyValue.get(1).forward(input),
                queryKeyValue.get(2).forward(input));
      }
      attended =
          attention.forward(projected.get(0), projected.get(1), projected.get(2), mask).kept();
      NDArray middle = keep(selected(x).add(out.forward(attended.output())));
      mlpNormed = mlpNorm.forward(middle);
      preActivation = keep(up.forward(keep(mlpNormed.output())));
      activated = keep(activation.apply(preActivation));
      output = middle.add(down.forward(activated));
      return output;
    }

    /** (examples, rows or 1, width). */
    NDArray output() {
      return output;
    }

    /**
     * Adds all squared gradients.
     *
     * @param d the output's gradients, (directions, rows or 1, width)
     * @return the input's gradients, (directions, rows, width)
     */
    NDArray backward(NDArray d, Backward backward) {
      return Scratch.scoped(() -> walk(d, backward));
    }

    private NDArray walk(NDArray d, Backward backward) {
      if (slope == null) {
        slope = keep(Scratch.scoped(() -> activation.derivative(preActivation)));
      }
      down.addSquares(activated, d, backward);
      NDArray dUp = down.inputGradient(d).muli(backward.byDirection(slope));
      up.addSquares(mlpNormed.output(), dUp, backward);
      NDArray dMiddle = mlpNormed.backward(up.inputGradient(dUp), backward).addi(d);

      out.addSquares(attended.output(), dMiddle, backward);
      NDList projected = attended.backward(out.inputGradient(dMiddle), backward);
      return normed
          .backward(projectionBackward(projected, backward), backward)
          .addi(scattered(dMiddle, backward));
    }

    /**
     * Adds the squares of the projections' gradients, and returns their input's gradients.
     *
     * <p>The key bias has no gradient: it shifts all scores of a query equally, which does not
     * change softmax. Its sum stays exactly 0 instead of rounding noise.
     *
     * @param d gradients of queries, keys and values
     */
    private NDArray projectionBackward(NDList d, Backward backward) {
      NDArray input = normed.output();
      if (queryKeyValue.size() == 1) {
        Linear fused = queryKeyValue.get(0);
        NDArray dQuery = scattered(d.get(0), backward);
        NDArray side = NDArrays.concat(new NDList(dQuery, d.get(1), d.get(2)), 2);
        int[] rows = {1};
        NDArray query = dQuery.sum(rows);
        NDList biases = new NDList(query, query.zerosLike(), d.get(2).sum(rows));
        fused.addWeightSquares(input, side, backward);
        fused.addBiasSquares(NDArrays.concat(biases, 1), backward);
        return fused.inputGradient(side);
      }
      queryKeyValue.get(0).addSquares(normedQueryRows, d.get(0), backward);
      queryKeyValue.get(1).addWeightSquares(input, d.get(1), backward);
      queryKeyValue.get(2).addSquares(input, d.get(2), backward);
      return scattered(queryKeyValue.get(0).inputGradient(d.get(0)), backward)
          .addi(queryKeyValue.get(1).inputGradient(d.get(1)))
          .addi(queryKeyValue.get(2).inputGradient(d.get(2)));
    }

    private NDArray selected(NDArray rows) {
      return select == null ? rows : select.matMul(rows);
    }

    private NDArray scattered(NDArray row, Backward backward) {
      return select == null ? row : backward.byDirection(select).transpose(0, 2, 1).matMul(row);
    }
  }
}
