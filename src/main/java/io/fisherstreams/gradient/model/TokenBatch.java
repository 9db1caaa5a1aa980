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
 * A language model's inputs for some examples: token ids, and the positions that count (mask 1).
 *
 * @param tokens for each example, the ids by position
 * @param types for each example, the token types by position
 * @param attended for each example and position, whether it counts
 * @param first for each example, the first position that counts
 * @param end for each example, one past the last position that counts
 * @param length the largest {@code end}: no position from there on has an effect
 */
@SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
record TokenBatch(
    int[][] tokens, int[][] types, boolean[][] attended, int[] first, int[] end, int length) {
  // Finite, so that a row without any key (left padding) is not NaN. Twice this value, for a key
  // that is both masked and later, is finite too. Its exponential is 0.
  private static final float MASKED = -1e30f;

  private static final String TOKEN_TYPES = "token_type_ids";

  /** Further inputs of Hugging Face's models. Each of them would change the logits. */
  private static final List<String> OTHER_INPUTS =
      List.of("position_ids", "inputs_embeds", "head_mask", "decoder_input_ids");

  /**
   * What a model's inputs may be.
   *
   * @param vocabulary number of tokens
   * @param maxPositions the longest text
   * @param positionsKey the config's key of maxPositions, for messages
   * @param tokenTypes number of token types; 0 when the model has none
   */
  record Limits(int vocabulary, int maxPositions, String positionsKey, int tokenTypes) {
    /** Rejects an example that a model with these limits rejects. */
    void require(Example example) {
      of(List.of(example), this);
    }
  }

  /**
   * Checks examples and collects their tokens.
   *
   * @throws io.fisherstreams.InvalidInput when an example does not suit the model
   */
  static TokenBatch of(List<Example> examples, Limits limits) {
    int[][] tokens = new int[examples.size()][];
    int[][] types = new int[examples.size()][];
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
      tokens[i] = tokens(example, limits);
      types[i] = types(example, tokens[i].length, limits.tokenTypes);
      attended[i] = attended(example, tokens[i].length);
      first[i] = -1;
      for (int position = 0; position < tokens[i].length; position++) {
        if (attended[i][position]) {
          first[i] = first[i] < 0 ? position : first[i];
          end[i] = position + 1;
        }
      }
      if (first[i] < 0) {
        throw example.invalid("attention_mask has no 1: there is no token to read");
      }
    }
    return new TokenBatch(
        tokens, types, attended, first, end, Arrays.stream(end).max().orElseThrow());
  }

  private static int[] tokens(Example example, Limits limits) {
    InputTensor input = vector(example, "input_ids");
    if (input.elements() > limits.maxPositions) {
      throw example.invalid(
          String.format(
              Locale.ROOT,
              "%d tokens, but the model has %s %d; shorten the text, or cut it"
                  + " (--max-length, or max_length in merge.yaml)",
              input.elements(),
              limits.positionsKey,
              limits.maxPositions));
    }
    return ids(example, "input_ids", "the vocabulary", input.toLongs(), limits.vocabulary);
  }

  private static int[] types(Example example, int length, int kinds) {
    if (!example.inputs().containsKey(TOKEN_TYPES)) {
      return new int[length];
    }
    if (kinds == 0) {
      throw example.invalid(
          TOKEN_TYPES + " is not implemented, expected input_ids and attention_mask only");
    }
    long[] types = vector(example, TOKEN_TYPES).toLongs();
    if (types.length != length) {
      throw example.invalid(
          String.format(
              Locale.ROOT, "%s has %d values for %d input_ids", TOKEN_TYPES, types.length, length));
    }
    return ids(example, TOKEN_TYPES, "the types", types, kinds);
  }

  private static int[] ids(Example example, String name, String range, long[] ids, int limit) {
    int[] checked = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= limit) {
        throw example.invalid(
            String.format(
                Locale.ROOT, "%s[%d] is %d, outside %s 0 … %d", name, i, ids[i], range, limit - 1));
      }
      checked[i] = (int) ids[i];
    }
    return checked;
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

  int size() {
    return tokens.length;
  }

  /**
   * Rows to look up by position, int32 (examples, length).
   *
   * @param rows for each example, at least as many as the example has tokens
   */
  NDArray ids(NDManager scope, int[][] rows) {
    int[] flat = new int[rows.length * length];
    for (int i = 0; i < rows.length; i++) {
      System.arraycopy(rows[i], 0, flat, i * length, Math.min(length, rows[i].length));
    }
    return scope.create(flat, new Shape(rows.length, length));
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

  /**
   * {@link #MASKED} where the key comes after the query, or at least a window before it: (1, 1,
   * length, length).
   *
   * @param window how many keys a query sees, itself included
   */
  NDArray causalMask(NDManager scope, int window) {
    float[] mask = new float[length * length];
    for (int query = 0; query < length; query++) {
      int row = query * length;
      Arrays.fill(mask, row, row + Math.max(0, query - window + 1), MASKED);
      Arrays.fill(mask, row + query + 1, row + length, MASKED);
    }
    return scope.create(mask, new Shape(1, 1, length, length));
  }

  /** 1 at one position of each example: (examples, 1, length). */
  NDArray select(NDManager scope, int[] positions) {
    float[] select = new float[tokens.length * length];
    for (int i = 0; i < tokens.length; i++) {
      select[i * length + positions[i]] = 1;
    }
    return scope.create(select, new Shape(tokens.length, 1, length));
  }

  /** For each example, the position embedding's row by position. */
  int[][] countedPositions() {
    int[] rows = new int[length];
    Arrays.setAll(rows, i -> i);
    int[][] all = new int[tokens.length][];
    Arrays.fill(all, rows);
    return all;
  }
}
