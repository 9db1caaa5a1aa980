package io.fisherstreams.gradient.model;

import static io.fisherstreams.gradient.model.Scratch.keep;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;

/**
 * A transformer block: residual steps one after another, usually attention and MLP. A step is x +
 * layer(norm x) when the norm comes first, else norm(x + layer x).
 *
 * <p>When a model reads only one row of its last block, that block computes only this row: keys and
 * values have all rows, all else has one.
 */
final class TransformerBlock {
  private final boolean normFirst;
  private final List<Step> steps;

  private TransformerBlock(boolean normFirst, Step... steps) {
    this.normFirst = normFirst;
    this.steps = List.of(steps);
  }

  /** One residual step. */
  record Step(Norm norm, Layer layer) {}

  /** A block whose steps are x + layer(norm x). */
  static TransformerBlock normFirst(Step... steps) {
    return new TransformerBlock(true, steps);
  }

  /** A block whose steps are norm(x + layer x). */
  static TransformerBlock normLast(Step... steps) {
    return new TransformerBlock(false, steps);
  }

  /**
   * Runs the block.
   *
   * @param x (examples, rows, width)
   */
  Pass forward(NDArray x, Attending attending) {
    Pass pass = new Pass();
    Scratch.scoped(() -> pass.run(x, attending));
    return pass;
  }

  /** One application; keeps the activations that gradients need. */
  final class Pass {
    private final List<StepPass> passes = new ArrayList<>();
    private NDArray output;

    private Pass() {}

    private NDArray run(NDArray x, Attending attending) {
      output = x;
      for (Step step : steps) {
        // Only the first step has a row to choose; the others get that row alone.
        Attending rows = passes.isEmpty() ? attending : null;
        StepPass pass = normFirst ? normFirst(step, output, rows) : normLast(step, output, rows);
        passes.add(pass);
        output = keep(pass.output);
      }
      return output;
    }

    private StepPass normFirst(Step step, NDArray x, Attending attending) {
      Layer.Pass norm = step.norm.forward(x);
      Layer.Pass layer = step.layer.forward(keep(norm.output()), attending);
      return new StepPass(norm, layer, attending, selected(x, attending).add(layer.output()));
    }

    private StepPass normLast(Step step, NDArray x, Attending attending) {
      Layer.Pass layer = step.layer.forward(x, attending);
      Layer.Pass norm = step.norm.forward(keep(selected(x, attending).add(layer.output())));
      return new StepPass(norm, layer, attending, norm.output());
    }

    private static NDArray selected(NDArray x, Attending attending) {
      return attending == null ? x : attending.selected(x);
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
      return Scratch.scoped(
          () -> {
            NDArray gradient = d;
            for (int i = passes.size() - 1; i >= 0; i--) {
              gradient = passes.get(i).backward(gradient, backward, normFirst);
            }
            return gradient;
          });
    }
  }

  private record StepPass(Layer.Pass norm, Layer.Pass layer, Attending attending, NDArray output) {

    NDArray backward(NDArray d, Backward backward, boolean normFirst) {
      if (normFirst) {
        NDArray through = norm.backward(layer.backward(d, backward), backward);
        return through.addi(scattered(d, backward));
      }
      NDArray sum = norm.backward(d, backward);
      return layer.backward(sum, backward).addi(scattered(sum, backward));
    }

    private NDArray scattered(NDArray d, Backward backward) {
      return attending == null ? d : attending.scattered(d, backward);
    }
  }
}
