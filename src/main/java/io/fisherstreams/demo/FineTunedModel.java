package io.fisherstreams.demo;

/**
 * A fine-tuned model as its owner publishes it.
 *
 * @param name the model's name
 * @param parameters its parameters, with the base model's names and shapes
 * @param examples images of its task, over which the pool estimates its diagonal Fisher
 */
public record FineTunedModel(String name, DigitParameters parameters, DigitImages examples) {}
