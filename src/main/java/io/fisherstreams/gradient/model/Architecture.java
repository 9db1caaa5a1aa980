package io.fisherstreams.gradient.model;

import io.fisherstreams.checkpoint.ModelConfig;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * An architecture that a {@code config.json} can choose.
 *
 * @param modelTypes the {@code model_type} values of this architecture
 * @param build builds the network from the config and loads its tensors from the parameters
 */
record Architecture(Set<String> modelTypes, BiFunction<ModelConfig, Parameters, Network> build) {}
