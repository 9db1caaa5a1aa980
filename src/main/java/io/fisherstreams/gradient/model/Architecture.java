package io.fisherstreams.gradient.model;

import io.fisherstreams.checkpoint.ModelConfig;
import java.util.Optional;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * An architecture that a {@code config.json} can choose.
 *
 * @param modelTypes the {@code model_type} values of this architecture
 * @param build builds a classifier from the config and loads its tensors from the parameters
 * @param language builds a language model; empty when the architecture has none
 */
record Architecture(
    Set<String> modelTypes,
    BiFunction<ModelConfig, Parameters, Network> build,
    Optional<BiFunction<ModelConfig, Parameters, LanguageNetwork>> language) {

  /** An architecture without language models. */
  Architecture(Set<String> modelTypes, BiFunction<ModelConfig, Parameters, Network> build) {
    this(modelTypes, build, Optional.empty());
  }
}
