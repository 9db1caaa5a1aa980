package io.fisherstreams.gradient.model;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;

/**
 * How many outputs a sequence or image classifier has, and what they mean, as Hugging Face's {@code
 * problem_type} says.
 *
 * @param outputs rows of the last layer's weight
 * @param kind classes, or one value
 */
record OutputHead(int outputs, Output kind) {
  private static final String SINGLE_LABEL = "single_label_classification";
  private static final String REGRESSION = "regression";

  /**
   * Reads the kind. The number of outputs is the config's, or, when it says nothing, the weight's:
   * configs leave out the default of two classes.
   *
   * @param weight the last layer's weight, in the head or the checkpoint
   * @throws InvalidInput for several labels an example, several values, or a single class
   */
  static OutputHead of(ModelConfig config, Parameters parameters, String weight) {
    boolean configured = config.has("id2label") || config.has("num_labels");
    int outputs =
        parameters.headTensor(weight).isPresent() || !configured
            ? parameters.rows(weight).orElseGet(config::classes)
            : config.classes();
    String problem = config.text("problem_type", outputs == 1 ? REGRESSION : SINGLE_LABEL);
    if (problem.equals(REGRESSION) && outputs == 1) {
      return new OutputHead(1, Output.VALUE);
    }
    if (!problem.equals(SINGLE_LABEL)) {
      throw new InvalidInput(
          ("%s: expected a classifier with one label for each example, or a regression with one"
                  + " value, found problem_type '%s' with outputs: %s")
              .formatted(config.origin(), problem, Integer.toString(outputs)));
    }
    config.requireClasses(outputs, weight + " or num_labels");
    return new OutputHead(outputs, Output.CLASSES);
  }
}
