package io.fisherstreams.gradient.model;

import java.util.Arrays;
import java.util.Comparator;
import java.util.stream.IntStream;

/**
 * Directions in the space of logits. A direction asks for the gradient of Σ_c {@code values[c]} ·
 * logit_c of one example. (The vector of a vector–Jacobian product.)
 *
 * @param examples for each direction, its example's position in the batch; several directions may
 *     name one example
 * @param values for each direction, one value per class
 * @param squaring what is squared, each gradient or their sum
 */
@SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
public record Cotangents(int[] examples, float[][] values, Squaring squaring) {

  /** What is squared: each direction's gradient, or their sum. */
  public enum Squaring {
    /** Σ over directions of (gradient)². */
    EACH,
    /** (Σ over directions of gradient)². */
    TOTAL
  }

  /** Rejects unequal lengths with {@link IllegalArgumentException}. */
  public Cotangents {
    if (examples.length != values.length) {
      throw new IllegalArgumentException(
          examples.length + " examples for " + values.length + " directions");
    }
  }

  /** How many directions. */
  public int count() {
    return examples.length;
  }

  /**
   * The same directions in rounds: first one of each example, then a second one of each, and so on.
   * A round of all examples does not need rearranged activations.
   *
   * @param batch number of examples
   */
  Cotangents inRounds(int batch) {
    int[] seen = new int[batch];
    int[] round = Arrays.stream(examples).map(example -> seen[example]++).toArray();
    int[] order =
        IntStream.range(0, examples.length)
            .boxed()
            .sorted(
                Comparator.<Integer>comparingInt(i -> round[i]).thenComparingInt(i -> examples[i]))
            .mapToInt(Integer::intValue)
            .toArray();
    return new Cotangents(
        Arrays.stream(order).map(i -> examples[i]).toArray(),
        Arrays.stream(order).mapToObj(i -> values[i]).toArray(float[][]::new),
        squaring);
  }

  /** Some of the directions, in order. */
  Cotangents range(int from, int to) {
    return new Cotangents(
        Arrays.copyOfRange(examples, from, to), Arrays.copyOfRange(values, from, to), squaring);
  }
}
