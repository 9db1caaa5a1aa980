package io.fisherstreams.gradient.model;

import io.fisherstreams.checkpoint.ModelConfig;
import java.util.Set;
import java.util.function.BiFunction;

/**
 * What a {@code config.json} can choose.
 *
 * @param modelTypes the {@code model_type} values that mean this architecture
 * @param build makes the network from the config and takes its tensors from the parameters
 */
record Architecture(Set<String> modelTypes, BiFunction<ModelConfig, Parameters, Network> build) {}
