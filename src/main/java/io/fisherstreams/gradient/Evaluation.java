package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;

/**
 * How well a model predicts the labels of examples.
 *
 * @param examples how many
 * @param accuracy share of them whose label is the most probable class, 0 to 1
 * @param meanLogLikelihood mean of log p(label|x), in nats; at most 0
 */
public record Evaluation(long examples, double accuracy, double meanLogLikelihood) {

  /**
   * Evaluates a model on all of a source's examples.
   *
   * @param batchSize examples that go through the model together
   * @throws InvalidInput when there is no example, or one does not suit the model
   */
  public static Evaluation of(
      ModelRuntime runtime, ExampleSource source, int batchSize, ExampleProgress progress) {
    if (source.count() == 0) {
      throw new InvalidInput("%s: contains no examples".formatted(source.origin()));
    }
    long correct = 0;
    double logLikelihood = 0;
    for (long first = 0; first < source.count(); first += batchSize) {
      int examples = (int) Math.min(batchSize, source.count() - first);
      var batch = source.read(first, examples);
      Predictions predictions = Predictions.of(batch, runtime.logits(batch));
      for (int i = 0; i < examples; i++) {
        int label = predictions.labels()[i];
        correct += predictions.mostLikely(i) == label ? 1 : 0;
        logLikelihood += predictions.logProbabilities()[i][label];
      }
      progress.examples(first + examples, source.count());
    }
    return new Evaluation(
        source.count(), (double) correct / source.count(), logLikelihood / source.count());
  }
}
