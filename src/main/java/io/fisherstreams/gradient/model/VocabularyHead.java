package io.fisherstreams.gradient.model;

import ai.djl.Device;
import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.index.NDIndex;
import io.fisherstreams.gradient.device.Precision;

/**
 * The linear layer from hidden rows to the logits of a vocabulary, a block of the vocabulary at a
 * time.
 */
final class VocabularyHead {
  /** Logits of a block in the host's memory, unless the rows have more elements: 8 MiB. */
  static final int BLOCK_ELEMENTS = 1 << 21;

  /** As before, on a GPU, which needs larger arrays for its full speed: 64 MiB. */
  static final int GPU_BLOCK_ELEMENTS = 1 << 24;

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
    this(weight, blockElements(weight.value().getDevice()));
  }

  /**
   * A head with blocks of another size.
   *
   * @param blockElements logits of a block, unless the rows have more elements
   */
  VocabularyHead(LoadedParameter weight, int blockElements) {
    this.weight = weight.value();
    this.precision = weight.precision();
    this.blockElements = blockElements;
    this.vocabulary = Math.toIntExact(this.weight.getShape().get(0));
    this.width = Math.toIntExact(this.weight.getShape().get(1));
  }

  private static int blockElements(Device device) {
    return device.isGpu() ? GPU_BLOCK_ELEMENTS : BLOCK_ELEMENTS;
  }

  int vocabulary() {
    return vocabulary;
  }

  int width() {
    return width;
  }

  /**
   * Tokens of each block but the last, for some number of rows. With fewer than the width, reading
   * the rows for each block would take longer than its logits.
   */
  int blockTokens(int rows) {
    return Math.max(width, blockElements / rows);
  }

  /** The weight's rows of some tokens. */
  NDArray weights(int first, int to) {
    return first == 0 && to == vocabulary ? weight : weight.get(NDIndex.sliceAxis(0, first, to));
  }

  /** The logits of some tokens, (rows, tokens). */
  NDArray logits(NDArray rows, int first, int to) {
    return precision.product(rows, weights(first, to).transpose());
  }

  /** The logit of one token of each row. */
  float[] logits(NDArray rows, int[] tokens) {
    try (NDArray ids = rows.getManager().create(tokens);
        NDArray chosen = weight.get(new NDIndex("{}", ids));
        NDArray products = rows.mul(chosen);
        NDArray logits = products.sum(new int[] {1})) {
      return logits.toFloatArray();
    }
  }
}
