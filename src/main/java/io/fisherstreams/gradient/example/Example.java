package io.fisherstreams.gradient.example;

import io.fisherstreams.InvalidInput;
import java.util.Locale;
import java.util.Map;

/**
 * One labelled example.
 *
 * @param origin the file or topic it comes from, for messages
 * @param index its number in the source, from 0; with a seed it fixes the labels drawn for it
 * @param label the class, from 0
 * @param inputs the model's inputs by name
 */
public record Example(String origin, long index, long label, Map<String, InputTensor> inputs) {

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
    if (label < 0 || label >= classes) {
      throw invalid(String.format(Locale.ROOT, "label %d is not in 0 … %d", label, classes - 1));
    }
    return (int) label;
  }

  /** The exception that rejects this example, to be thrown by the caller. */
  public InvalidInput invalid(String reason) {
    return new InvalidInput(
        String.format(Locale.ROOT, "%s: example %d: %s", origin, index, reason));
  }
}
