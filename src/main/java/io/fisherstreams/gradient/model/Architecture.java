package io.fisherstreams.gradient.model;

import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * An architecture that a {@code config.json} can choose.
 *
 * @param modelTypes the {@code model_type} values of this architecture
 * @param build builds a classifier from the config and loads its tensors from the parameters
 * @param language its language model; empty when the architecture has none
 * @param inputs rejects, by the config alone, an example whose inputs a classifier rejects
 * @param lastLayer the tensor with a row for each output of a classifier; empty when only the
 *     config says how many there are
 */
record Architecture(
    Set<String> modelTypes,
    BiFunction<ModelConfig, Parameters, Network> build,
    Optional<Language> language,
    Function<ModelConfig, Consumer<Example>> inputs,
    Optional<String> lastLayer) {

  /**
   * A model that predicts tokens.
   *
   * @param build builds it from the config and loads its tensors from the parameters
   * @param inputs rejects, by the config alone, an example whose inputs or labels it rejects
   */
  record Language(
      BiFunction<ModelConfig, Parameters, LanguageNetwork> build,
      Function<ModelConfig, Consumer<Example>> inputs) {}

  /** An architecture without language models. */
  Architecture(
      Set<String> modelTypes,
      BiFunction<ModelConfig, Parameters, Network> build,
      Function<ModelConfig, Consumer<Example>> inputs,
      Optional<String> lastLayer) {
    this(modelTypes, build, Optional.empty(), inputs, lastLayer);
  }
}
