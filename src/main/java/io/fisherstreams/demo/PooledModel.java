package io.fisherstreams.demo;

/**
 * A fine-tuned model with the Fisher by which the pool weighs it.
 *
 * @param name the model's name
 * @param parameters its parameters
 * @param fisher the pool's estimate of its diagonal Fisher, one number for each parameter
 * @param examples the images that the Fisher was estimated from
 * @param test images of its task that no model was trained on
 */
public record PooledModel(
    String name,
    DigitParameters parameters,
    DigitParameters fisher,
    DigitImages examples,
    DigitImages test) {}
