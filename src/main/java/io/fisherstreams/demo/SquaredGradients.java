package io.fisherstreams.demo;

/**
 * What a gradient batch carries: squared gradients summed over examples. A model's diagonal Fisher
 * is the sum of all its batches divided by the number of all their examples.
 *
 * @param sums {@code Σ_x Σ_c p(c|x) (∂ log p(c|x) / ∂θ[j])²} for every parameter, at least 0
 * @param examples number of examples x
 */
public record SquaredGradients(Parameters sums, int examples) {}
