package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.stream.IntStream;

/**
 * The softmax of the logits of some hidden rows over a vocabulary, a block of the vocabulary at a
 * time. The first blocks are kept, as long as they have together at most a number of elements; the
 * others are computed again whenever they are needed.
 */
final class Softmax {
  /** Of kept blocks: 256 MiB. */
  static final long KEPT_ELEMENTS = 1 << 26;

  private final VocabularyHead head;
  private final NDArray rows;
  private final int count;
  private final List<Block> blocks = new ArrayList<>();
  private final double[] normaliser;

  /**
   * One block of tokens.
   *
   * @param first the first token
   * @param to one past the last token
   * @param largest the largest logit, by row
   * @param sum Σ exp(logit − largest), by row
   * @param kept exp(logit − largest), (rows, tokens); null if it is not kept
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record Block(int first, int to, float[] largest, float[] sum, NDArray kept) {
    /** Σ exp(logit − normaliser) of a row. */
    double probability(int row, double normaliser) {
      return sum[row] * Math.exp(largest[row] - normaliser);
    }
  }

  /**
   * Reads all logits once.
   *
   * @param rows (rows, width); their manager owns what is kept
   * @param keptElements of kept blocks at most
   */
  Softmax(VocabularyHead head, NDArray rows, long keptElements) {
    this.head = head;
    this.rows = rows;
    this.count = Math.toIntExact(rows.getShape().get(0));
    int tokens = head.blockTokens(count);
    for (int first = 0; first < head.vocabulary(); first += tokens) {
      int from = first;
      int to = Math.min(head.vocabulary(), first + tokens);
      boolean keep = (long) to * count <= keptElements;
      Scratch.run(() -> blocks.add(read(from, to, keep)));
    }
    this.normaliser = new double[count];
    Arrays.setAll(normaliser, this::logSum);
  }

  private Block read(int first, int to, boolean keep) {
    NDArray logits = head.logits(rows, first, to);
    NDArray largest = logits.max(new int[] {1}, true);
    NDArray powers = logits.subi(largest).exp();
    float[] sum = powers.sum(new int[] {1}).toFloatArray();
    return new Block(first, to, largest.toFloatArray(), sum, keep ? Scratch.keep(powers) : null);
  }

  private double logSum(int row) {
    double largest = Double.NEGATIVE_INFINITY;
    for (Block block : blocks) {
      largest = Math.max(largest, block.largest[row]);
    }
    double sum = 0;
    for (Block block : blocks) {
      sum += block.probability(row, largest);
    }
    return largest + Math.log(sum);
  }

  /** The hidden rows. */
  NDArray rows() {
    return rows;
  }

  /** Log Σ exp of all logits, by row; not finite when a logit is not. */
  double[] normaliser() {
    return normaliser;
  }

  /** log p of one token of each row. */
  double[] logProbabilities(int[] tokens) {
    float[] logits = head.logits(rows, tokens);
    double[] logProbabilities = new double[count];
    Arrays.setAll(logProbabilities, i -> logits[i] - normaliser[i]);
    return logProbabilities;
  }

  /** The probabilities of all tokens of a row. */
  double[] probabilities(int row) {
    double[] p = new double[head.vocabulary()];
    for (Block block : blocks) {
      Scratch.run(
          () -> {
            float[] found = powers(block, new int[] {row}).toFloatArray();
            for (int i = 0; i < found.length; i++) {
              p[block.first + i] = found[i] * Math.exp(block.largest[row] - normaliser[row]);
            }
          });
    }
    return p;
  }

  /** The most likely token of each row, the first of equal ones. */
  int[] mostLikely() {
    int[][] byBlock = new int[blocks.size()][];
    int[] block = new int[count];
    for (int i = 0; i < count; i++) {
      for (int b = 1; b < byBlock.length; b++) {
        block[i] = blocks.get(b).largest[i] > blocks.get(block[i]).largest[i] ? b : block[i];
      }
    }
    return inBlocks(block, (powers, wanted) -> powers.argMax(1).toLongArray());
  }

  /**
   * Draws one token for each row, by the inverse of the distribution function: first its block,
   * from the blocks' sums, then the token in it.
   *
   * @param uniforms by row, in [0, 1)
   */
  int[] draw(double[] uniforms) {
    int[] block = new int[count];
    double[] rest = new double[count];
    double[] sums = new double[blocks.size()];
    for (int i = 0; i < count; i++) {
      double sum = 0;
      for (int b = 0; b < sums.length; b++) {
        sum += blocks.get(b).probability(i, normaliser[i]);
        sums[b] = sum;
      }
      double limit = limit(uniforms[i], sum);
      while (sums[block[i]] <= limit) {
        block[i]++;
      }
      double below = block[i] == 0 ? 0 : sums[block[i] - 1];
      rest[i] = (limit - below) / (sums[block[i]] - below);
    }
    return inBlocks(
        block,
        (powers, wanted) -> {
          NDManager manager = powers.getManager();
          NDArray below = powers.toType(DataType.FLOAT64, false).cumSum(1);
          double[] limits = last(below);
          Arrays.setAll(limits, i -> limit(rest[wanted[i]], limits[i]));
          return below
              .lte(manager.create(limits).reshape(limits.length, 1))
              .toType(DataType.INT64, false)
              .sum(new int[] {1})
              .toLongArray();
        });
  }

  /** A part of a sum, but less than all of it: the last token may have a probability of 0. */
  private static double limit(double part, double sum) {
    return Math.min(part * sum, Math.nextDown(sum));
  }

  private static double[] last(NDArray sums) {
    return sums.get(new NDIndex().addAllDim().addIndices(sums.getShape().get(1) - 1))
        .toDoubleArray();
  }

  /** Finds a token of each row in one block of the vocabulary. */
  private interface TokenChoice {
    /**
     * Finds the place of each row's token in its block.
     *
     * @param powers exp(logit − largest), of some rows
     * @param wanted these rows
     */
    long[] places(NDArray powers, int[] wanted);
  }

  /**
   * Reads of each block only the rows that have their token in it.
   *
   * @param blockOf each row's token
   */
  private int[] inBlocks(int[] blockOf, TokenChoice choice) {
    int[] tokens = new int[count];
    for (int b = 0; b < blocks.size(); b++) {
      int number = b;
      int[] wanted = IntStream.range(0, count).filter(i -> blockOf[i] == number).toArray();
      if (wanted.length > 0) {
        Block block = blocks.get(b);
        Scratch.run(
            () -> {
              long[] places = choice.places(powers(block, wanted), wanted);
              for (int i = 0; i < wanted.length; i++) {
                tokens[wanted[i]] = block.first + (int) places[i];
              }
            });
      }
    }
    return tokens;
  }

  /** exp(logit − largest) of some rows. */
  private NDArray powers(Block block, int[] wanted) {
    NDIndex some = new NDIndex("{}", rows.getManager().create(wanted));
    if (block.kept != null) {
      return block.kept.get(some);
    }
    float[] largest = new float[wanted.length];
    for (int i = 0; i < largest.length; i++) {
      largest[i] = block.largest[wanted[i]];
    }
    return powers(block, rows.get(some), largest);
  }

  private NDArray powers(Block block, NDArray someRows, float[] largest) {
    return head.logits(someRows, block.first, block.to).subi(column(largest)).exp();
  }

  /** What is done with one block of probabilities. */
  interface BlockAction {
    /**
     * Called in the order of the vocabulary, inside a {@link Scratch} scope.
     *
     * @param first the block's first token
     * @param scaled factor · p, (rows, tokens of the block); may be overwritten
     * @param weights the head's rows of these tokens
     */
    void accept(int first, NDArray scaled, NDArray weights);
  }

  /** Gives all probabilities, multiplied by a factor, a block at a time. */
  void forEachBlock(float factor, BlockAction action) {
    for (Block block : blocks) {
      Scratch.run(
          () -> {
            float[] scales = new float[count];
            for (int i = 0; i < count; i++) {
              scales[i] = (float) (factor * Math.exp(block.largest[i] - normaliser[i]));
            }
            NDArray scale = column(scales);
            NDArray scaled =
                block.kept == null
                    ? powers(block, rows, block.largest).muli(scale)
                    : block.kept.mul(scale);
            action.accept(block.first, scaled, head.weights(block.first, block.to));
          });
    }
  }

  /** A value for each row, (rows, 1). */
  private NDArray column(float[] values) {
    return rows.getManager().create(values, new Shape(values.length, 1));
  }
}
