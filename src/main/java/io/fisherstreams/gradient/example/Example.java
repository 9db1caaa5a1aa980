package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import java.util.Arrays;
import java.util.Locale;
import java.util.Map;

/**
 * One labelled example.
 *
 * @param origin the file or topic it comes from, for messages
 * @param index its number in the source, from 0; with a seed it fixes the labels drawn for it
 * @param label the class, from 0; without meaning when the inputs have {@link #LABELS}
 * @param inputs the model's inputs by name, and labels that are not one class: a number, or one
 *     token at each position
 */
public record Example(String origin, long index, long label, Map<String, InputTensor> inputs) {
  /** The input that has an example's labels when they are not one class. */
  public static final String LABELS = "labels";

  /** The label of a token that is no target. */
  public static final int IGNORED = -100;

  /** Copies the map. */
  public Example {
    inputs = Map.copyOf(inputs);
  }

  /**
   * An input that the model needs.
   *
   * @throws InvalidInput when the example does not have it
   */
  public InputTensor input(String name) {
    InputTensor input = inputs.get(name);
    if (input == null) {
      throw invalid("has no %s; it has %s".formatted(name, inputs.keySet()));
    }
    return input;
  }

  /**
   * The label as a class of a model.
   *
   * @throws InvalidInput when it is out of range
   */
  public int labelAmong(int classes) {
    InputTensor other = inputs.get(LABELS);
    if (other != null) {
      throw invalid(
          "labels: the model needs the number of a class, found %s %s"
              .formatted(other.dtype(), other.shape()));
    }
    if (label < 0 || label >= classes) {
      throw invalid(String.format(Locale.ROOT, "label %d is not in 0 … %d", label, classes - 1));
    }
    return (int) label;
  }

  /**
   * The label as a number that a model should predict.
   *
   * @throws InvalidInput when it is not one finite number
   */
  public double value() {
    InputTensor other = inputs.get(LABELS);
    if (other == null) {
      return label;
    }
    if (!other.shape().isEmpty() || !other.dtype().mergeable()) {
      throw invalid(
          "labels: the model needs one number, found %s %s"
              .formatted(other.dtype(), other.shape()));
    }
    float[] value = new float[1];
    other.toFloats(value, 0);
    if (!Float.isFinite(value[0])) {
      throw invalid(
          String.format(Locale.ROOT, "labels: expected a finite number, found %s", value[0]));
    }
    return value[0];
  }

  /** Tokens of its text: those whose {@code attention_mask} is 1, or all; 0 without a text. */
  public long tokens() {
    InputTensor mask = inputs.get("attention_mask");
    if (mask != null && mask.integral()) {
      return Arrays.stream(mask.toLongs()).filter(value -> value != 0).count();
    }
    InputTensor ids = inputs.get("input_ids");
    return ids == null ? 0 : ids.elements();
  }

  /** The exception that rejects this example, to be thrown by the caller. */
  public InvalidInput invalid(String reason) {
    return new InvalidInput(
        String.format(Locale.ROOT, "%s: example %d: %s", origin, index, reason));
  }
}
