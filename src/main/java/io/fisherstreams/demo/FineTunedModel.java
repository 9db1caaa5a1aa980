package io.fisherstreams.demo;

import java.util.List;

/**
 * What a user hands in for one model.
 *
 * @param name the model's name
 * @param parameters its parameters, of the base model's names and shapes
 * @param gradients the gradient batches of its diagonal Fisher, in the order of their sequence
 *     numbers from 0
 */
public record FineTunedModel(String name, Parameters parameters, List<SquaredGradients> gradients) {
  public FineTunedModel {
    gradients = List.copyOf(gradients);
  }

  /** Number of examples that the gradient batches are summed over. */
  public int examples() {
    return gradients.stream().mapToInt(SquaredGradients::examples).sum();
  }
}
