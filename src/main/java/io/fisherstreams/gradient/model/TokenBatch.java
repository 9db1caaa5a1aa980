package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;

/**
 * GPT-2's inputs for some examples: token ids, and the positions that count (mask 1).
 *
 * @param tokens for each example, the ids by position
 * @param attended for each example and position, whether it counts
 * @param first for each example, the first position that counts
 * @param end for each example, one past the last position that counts
 * @param length the largest {@code end}: no position from there on has an effect
 */
@SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
record TokenBatch(int[][] tokens, boolean[][] attended, int[] first, int[] end, int length) {
  // Finite, so that a row without any key (left padding) is not NaN. Twice this value, for a key
  // that is both masked and later, is finite too. Its exponential is 0.
  private static final float MASKED = -1e30f;

  /** Further inputs of Hugging Face's model. Each of them would change the logits. */
  private static final List<String> OTHER_INPUTS =
      List.of("position_ids", "token_type_ids", "inputs_embeds");

  /**
   * Checks examples and collects their tokens.
   *
   * @throws io.fisherstreams.InvalidInput when an example does not suit the model
   */
  static TokenBatch of(List<Example> examples, int vocabulary, int maxPositions) {
    int[][] tokens = new int[examples.size()][];
    boolean[][] attended = new boolean[examples.size()][];
    int[] first = new int[examples.size()];
    int[] end = new int[examples.size()];
    for (int i = 0; i < tokens.length; i++) {
      Example example = examples.get(i);
      for (String other : OTHER_INPUTS) {
        if (example.inputs().containsKey(other)) {
          throw example.invalid(
              other + " is not implemented, expected input_ids and attention_mask only");
        }
      }
      tokens[i] = tokens(example, vocabulary, maxPositions);
      attended[i] = attended(example, tokens[i].length);
      first[i] = -1;
      for (int position = 0; position < tokens[i].length; position++) {
        if (attended[i][position]) {
          first[i] = first[i] < 0 ? position : first[i];
          end[i] = position + 1;
        }
      }
      if (first[i] < 0) {
        throw example.invalid("attention_mask has no 1: there is nothing to classify");
      }
    }
    return new TokenBatch(tokens, attended, first, end, Arrays.stream(end).max().orElseThrow());
  }

  private static int[] tokens(Example example, int vocabulary, int maxPositions) {
    InputTensor input = vector(example, "input_ids");
    if (input.elements() > maxPositions) {
      throw example.invalid(
          String.format(
              Locale.ROOT,
              "%d tokens, but the model has n_positions %d; shorten the text",
              input.elements(),
              maxPositions));
    }
    long[] ids = input.toLongs();
    int[] tokens = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= vocabulary) {
        throw example.invalid(
            String.format(
                Locale.ROOT,
                "input_ids[%d] is %d, outside the vocabulary 0 … %d",
                i,
                ids[i],
                vocabulary - 1));
      }
      tokens[i] = (int) ids[i];
    }
    return tokens;
  }

  private static boolean[] attended(Example example, int length) {
    boolean[] attended = new boolean[length];
    if (!example.inputs().containsKey("attention_mask")) {
      Arrays.fill(attended, true);
      return attended;
    }
    long[] mask = vector(example, "attention_mask").toLongs();
    if (mask.length != length) {
      throw example.invalid(
          String.format(
              Locale.ROOT, "attention_mask has %d values for %d input_ids", mask.length, length));
    }
    for (int i = 0; i < length; i++) {
      if (mask[i] != 0 && mask[i] != 1) {
        throw example.invalid(
            String.format(Locale.ROOT, "attention_mask[%d] is %d, not 0 or 1", i, mask[i]));
      }
      attended[i] = mask[i] == 1;
    }
    return attended;
  }

  private static InputTensor vector(Example example, String name) {
    InputTensor input = example.input(name);
    if (input.shape().size() != 1 || !input.integral()) {
      throw example.invalid(
          "%s: expected a vector of integers, found %s %s"
              .formatted(name, input.dtype(), input.shape()));
    }
    return input;
  }

  /** The token ids, int32 (examples, length). */
  NDArray ids(NDManager scope) {
    int[] flat = new int[tokens.length * length];
    for (int i = 0; i < tokens.length; i++) {
      System.arraycopy(tokens[i], 0, flat, i * length, Math.min(length, tokens[i].length));
    }
    return scope.create(flat, new Shape(tokens.length, length));
  }

  /** 0 at keys that count, {@link #MASKED} at all others: (examples, 1, 1, length). */
  NDArray keyMask(NDManager scope) {
    float[] mask = new float[tokens.length * length];
    Arrays.fill(mask, MASKED);
    for (int i = 0; i < tokens.length; i++) {
      for (int position = 0; position < end[i]; position++) {
        mask[i * length + position] = attended[i][position] ? 0 : MASKED;
      }
    }
    return scope.create(mask, new Shape(tokens.length, 1, 1, length));
  }

  /** {@link #MASKED} where the key comes after the query: (1, 1, length, length). */
  NDArray causalMask(NDManager scope) {
    float[] mask = new float[length * length];
    for (int query = 0; query < length; query++) {
      Arrays.fill(mask, query * length + query + 1, (query + 1) * length, MASKED);
    }
    return scope.create(mask, new Shape(1, 1, length, length));
  }

  /** 1 at each example's last position that counts: (examples, 1, length). */
  NDArray last(NDManager scope) {
    float[] select = new float[tokens.length * length];
    for (int i = 0; i < tokens.length; i++) {
      select[i * length + end[i] - 1] = 1;
    }
    return scope.create(select, new Shape(tokens.length, 1, length));
  }

  /** For each example, the position embedding's row by position. */
  int[][] positionRows() {
    int[] rows = new int[length];
    Arrays.setAll(rows, i -> i);
    int[][] all = new int[tokens.length][];
    Arrays.fill(all, rows);
    return all;
  }
}
