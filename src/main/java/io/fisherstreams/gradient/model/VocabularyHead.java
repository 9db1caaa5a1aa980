package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.DataType;
import io.fisherstreams.gradient.device.Precision;
import java.util.Arrays;

/**
 * The linear layer from hidden rows to the logits of a vocabulary, and its softmax, a block of the
 * vocabulary at a time: no array has more than {@value #BLOCK_ELEMENTS} logits, unless one token's
 * logits alone have more.
 */
final class VocabularyHead {
  static final int BLOCK_ELEMENTS = 1 << 22;

  private final NDArray weight;
  private final Precision precision;
  private final int vocabulary;
  private final int width;
  private final int blockElements;

  /**
   * A head of this weight.
   *
   * @param weight (vocabulary, width)
   */
  VocabularyHead(LoadedParameter weight) {
    this(weight, BLOCK_ELEMENTS);
  }

  /**
   * A head with blocks of another size.
   *
   * @param blockElements logits of a block, unless one token's alone are more
   */
  VocabularyHead(LoadedParameter weight, int blockElements) {
    this.weight = weight.value();
    this.precision = weight.precision();
    this.blockElements = blockElements;
    this.vocabulary = Math.toIntExact(this.weight.getShape().get(0));
    this.width = Math.toIntExact(this.weight.getShape().get(1));
  }

  int vocabulary() {
    return vocabulary;
  }

  int width() {
    return width;
  }

  /** What is done with one block of logits. */
  interface BlockAction {
    /**
     * Called in the order of the vocabulary, inside a {@link Scratch} scope.
     *
     * @param first the block's first token
     * @param logits (rows, tokens of the block)
     * @param block the weight's rows of these tokens
     */
    void accept(int first, NDArray logits, NDArray block);
  }

  /** Computes all logits of some rows, a block at a time. */
  void forEachBlock(NDArray rows, BlockAction action) {
    int size = Math.max(1, blockElements / Math.toIntExact(rows.getShape().get(0)));
    for (int from = 0; from < vocabulary; from += size) {
      int first = from;
      int to = Math.min(vocabulary, from + size);
      Scratch.run(
          () -> {
            NDArray block =
                first == 0 && to == vocabulary
                    ? weight
                    : weight.get(NDIndex.sliceAxis(0, first, to));
            action.accept(first, precision.product(rows, block.transpose()), block);
          });
    }
  }

  /**
   * Of each row: log Σ exp of all logits, and the token with the largest.
   *
   * @param normaliser log Σ exp, by row; not finite when a logit is not
   * @param mostLikely the token, by row
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  record Summary(double[] normaliser, int[] mostLikely) {}

  /** Reads all logits once. */
  Summary summary(NDArray rows) {
    int count = Math.toIntExact(rows.getShape().get(0));
    double[] largest = new double[count];
    Arrays.fill(largest, Double.NEGATIVE_INFINITY);
    double[] sum = new double[count];
    int[] mostLikely = new int[count];
    forEachBlock(
        rows,
        (first, logits, block) -> {
          NDArray max = logits.max(new int[] {1}, true);
          float[] blockMax = max.toFloatArray();
          float[] blockSum = logits.sub(max).exp().sum(new int[] {1}).toFloatArray();
          long[] best = logits.argMax(1).toLongArray();
          for (int i = 0; i < count; i++) {
            if (!Float.isFinite(blockMax[i])) {
              sum[i] = Double.NaN;
            } else if (blockMax[i] > largest[i]) {
              sum[i] = sum[i] * Math.exp(largest[i] - blockMax[i]) + blockSum[i];
              largest[i] = blockMax[i];
              mostLikely[i] = first + (int) best[i];
            } else {
              sum[i] += blockSum[i] * Math.exp(blockMax[i] - largest[i]);
            }
          }
        });
    double[] normaliser = new double[count];
    Arrays.setAll(normaliser, i -> largest[i] + Math.log(sum[i]));
    return new Summary(normaliser, mostLikely);
  }

  /** log p of one token of each row. */
  double[] logProbabilities(NDArray rows, double[] normaliser, int[] tokens) {
    double[] logProbabilities = new double[tokens.length];
    try (NDArray ids = rows.getManager().create(tokens);
        NDArray chosen = weight.get(new NDIndex("{}", ids));
        NDArray products = rows.mul(chosen);
        NDArray logits = products.sum(new int[] {1})) {
      float[] found = logits.toFloatArray();
      Arrays.setAll(logProbabilities, i -> found[i] - normaliser[i]);
    }
    return logProbabilities;
  }

  /**
   * Draws one token for each row, by the inverse of the distribution function.
   *
   * @param uniforms by row, in [0, 1)
   */
  int[] draw(NDArray rows, double[] normaliser, double[] uniforms) {
    int count = uniforms.length;
    int[] drawn = new int[count];
    double[] below = new double[count];
    NDArray shift = column(rows, normaliser);
    forEachBlock(
        rows,
        (first, logits, block) -> {
          NDArray sums = logits.sub(shift).exp().toType(DataType.FLOAT64, false).cumSum(1);
          double[] wanted = new double[count];
          Arrays.setAll(wanted, i -> uniforms[i] - below[i]);
          NDArray limit = rows.getManager().create(wanted).reshape(count, 1);
          double[] passed =
              sums.lte(limit).toType(DataType.FLOAT64, false).sum(new int[] {1}).toDoubleArray();
          double[] total =
              sums.get(new NDIndex().addAllDim().addIndices(block.getShape().get(0) - 1))
                  .toDoubleArray();
          limit.close();
          for (int i = 0; i < count; i++) {
            drawn[i] += (int) passed[i];
            below[i] += total[i];
          }
        });
    shift.close();
    // Rounding can leave the last sum below a number close to 1.
    Arrays.setAll(drawn, i -> Math.min(drawn[i], vocabulary - 1));
    return drawn;
  }

  /** A value for each row, (rows, 1). */
  static NDArray column(NDArray rows, double[] values) {
    float[] narrow = new float[values.length];
    for (int i = 0; i < narrow.length; i++) {
      narrow[i] = (float) values[i];
    }
    return rows.getManager().create(narrow).reshape(values.length, 1);
  }
}
