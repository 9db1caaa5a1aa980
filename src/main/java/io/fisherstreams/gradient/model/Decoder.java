package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * A decoder without its head: token embeddings, positions (learned or rotary), blocks with causal
 * attention, and a last norm. Positions count from 0 whatever the padding, and attention skips
 * positions whose mask is 0.
 */
final class Decoder {
  private final TokenBatch.Limits limits;
  private final LoadedParameter tokens;
  private final Optional<LoadedParameter> positions;
  private final Optional<Rotary> rotary;
  private final List<Integer> windows;
  private final List<TransformerBlock> blocks;
  private final Norm finalNorm;

  /**
   * A decoder of these parts.
   *
   * @param positions the table of learned positions, if there is one
   * @param windows for each block, how many keys a query sees, itself included
   */
  Decoder(
      TokenBatch.Limits limits,
      LoadedParameter tokens,
      Optional<LoadedParameter> positions,
      Optional<Rotary> rotary,
      List<Integer> windows,
      List<TransformerBlock> blocks,
      Norm finalNorm) {
    this.limits = limits;
    this.tokens = tokens;
    this.positions = positions;
    this.rotary = rotary;
    this.windows = List.copyOf(windows);
    this.blocks = List.copyOf(blocks);
    this.finalNorm = finalNorm;
  }

  TokenBatch.Limits limits() {
    return limits;
  }

  /** The table of token embeddings, (vocabulary, width). */
  LoadedParameter tokens() {
    return tokens;
  }

  /** The table of learned positions, if there is one. */
  Optional<LoadedParameter> positions() {
    return positions;
  }

  /** Runs a batch; all rows are computed. */
  Pass forward(NDManager scope, TokenBatch batch) {
    return new Pass(scope, batch, Optional.empty(), false);
  }

  /**
   * Runs a batch, of which one row of each example is read.
   *
   * @param read for each example, the position to read
   * @param only whether the last block computes only that row; a backward pass requires this
   */
  Pass forward(NDManager scope, TokenBatch batch, int[] read, boolean only) {
    return new Pass(scope, batch, Optional.of(read), only);
  }

  /** One batch. */
  final class Pass {
    private final TokenBatch batch;
    private final BlockPasses passes;
    private final Layer.Pass normed;

    private Pass(NDManager scope, TokenBatch batch, Optional<int[]> read, boolean only) {
      this.batch = batch;
      // Automatic differentiation reads the ids again, so they must exist as long as the pass.
      NDArray ids = batch.ids(scope, batch.tokens());
      NDArray x = lookUp(ids, tokens);
      if (positions.isPresent()) {
        NDArray words = x;
        NDArray range = batch.ids(scope, batch.countedPositions());
        x = Scratch.scoped(() -> words.add(lookUp(range, positions.get())));
      }
      NDArray keyMask = batch.keyMask(scope);
      Rotary.Turn turn = rotary.map(r -> r.turn(scope, batch.length())).orElse(null);
      NDArray select = read.map(rows -> batch.select(scope, rows)).orElse(null);
      Map<Integer, NDArray> masks = new HashMap<>();
      passes =
          BlockPasses.run(
              blocks,
              x,
              i -> {
                int window = Math.min(windows.get(i), batch.length());
                NDArray mask =
                    masks.computeIfAbsent(window, w -> batch.causalMask(scope, w).add(keyMask));
                Attending all = new Attending(mask, null, turn);
                return only && i == blocks.size() - 1 ? all.only(select) : all;
              });
      NDArray rows = passes.output();
      normed = finalNorm.forward(select == null || only ? rows : select.matMul(rows));
    }

    private static NDArray lookUp(NDArray ids, LoadedParameter table) {
      return Embedding.embedding(ids, table.value(), SparseFormat.DENSE).singletonOrThrow();
    }

    /** (examples, rows or 1, width). */
    NDArray output() {
      return normed.output();
    }

    /** For each example, the rows of the token table that it looks up. */
    int[][] lookedUp() {
      int[][] lookedUp = new int[batch.size()][];
      Arrays.setAll(
          lookedUp, i -> Arrays.copyOfRange(batch.tokens()[i], batch.first()[i], batch.end()[i]));
      return lookedUp;
    }

    /** The rows that can have a gradient. */
    Backward.RowRanges ranges() {
      return new Backward.RowRanges(batch.first(), batch.end());
    }

    /**
     * Adds the squared gradients of all parameters except the token embeddings', which are added to
     * the rows.
     *
     * @param d the output's gradients, (directions, rows or 1, width)
     */
    void backward(NDArray d, Backward backward, RowGradients rows) {
      NDArray gradient = Scratch.scoped(() -> normed.backward(d, backward));
      try (NDArray embedded = passes.backward(gradient, backward)) {
        positions.ifPresent(
            table -> backward.addEmbeddingSquares(table, embedded, batch.countedPositions()));
        rows.add(embedded, batch.tokens(), backward);
      }
    }
  }
}
