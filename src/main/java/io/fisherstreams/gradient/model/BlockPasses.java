package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import java.util.ArrayList;
import java.util.List;
import java.util.function.IntFunction;

/** One application of blocks, one after the other. */
final class BlockPasses {
  private final List<TransformerBlock.Pass> passes = new ArrayList<>();
  private final NDArray output;

  private BlockPasses(List<TransformerBlock> blocks, NDArray x, IntFunction<Attending> attending) {
    NDArray rows = x;
    for (int i = 0; i < blocks.size(); i++) {
      TransformerBlock.Pass pass = blocks.get(i).forward(rows, attending.apply(i));
      passes.add(pass);
      rows = pass.output();
    }
    output = rows;
  }

  /**
   * Runs the blocks.
   *
   * @param x (examples, rows, width)
   * @param attending what each block's attention sees
   */
  static BlockPasses run(
      List<TransformerBlock> blocks, NDArray x, IntFunction<Attending> attending) {
    return new BlockPasses(blocks, x, attending);
  }

  /**
   * Runs the blocks on one mask.
   *
   * @param read chooses the row that the last block computes; null for all rows
   */
  static BlockPasses run(List<TransformerBlock> blocks, NDArray x, Attending all, NDArray read) {
    return run(blocks, x, i -> read != null && i == blocks.size() - 1 ? all.only(read) : all);
  }

  /** (examples, rows or 1, width). */
  NDArray output() {
    return output;
  }

  /**
   * Adds all squared gradients.
   *
   * @param d the output's gradients, (directions, rows or 1, width); closed by this
   * @return the input's gradients, (directions, rows, width); the caller closes them
   */
  NDArray backward(NDArray d, Backward backward) {
    NDArray gradient = d;
    for (int i = passes.size() - 1; i >= 0; i--) {
      try (NDArray outputs = gradient) {
        gradient = passes.get(i).backward(outputs, backward);
      }
    }
    return gradient;
  }
}
