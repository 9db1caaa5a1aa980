package io.fisherstreams.gradient;

import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.ExampleSource;
import io.fisherstreams.gradient.model.ModelRuntime;
import io.fisherstreams.gradient.model.Output;
import io.fisherstreams.gradient.model.TokenPass;
import io.fisherstreams.gradient.model.TokenScores;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.OptionalDouble;
import java.util.OptionalLong;

/**
 * How well a model predicts the labels of examples.
 *
 * @param output what it predicts
 * @param examples how many
 * @param predictions how many labels it predicted: one an example, or one a target token
 * @param correct how many of them are the most probable class or token; 0 when it predicts a value
 * @param logLikelihood Σ of log p(label), in nats; for a value log p is −½ (y − f)²
 */
public record Evaluation(
    Output output, long examples, long predictions, long correct, double logLikelihood) {

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
    Evaluation all = new Evaluation(runtime.output(), 0, 0, 0, 0);
    long tokens = 0;
    for (long first = 0; first < source.count(); first += batchSize) {
      List<Example> batch = read(source, first, batchSize);
      all = all.plus(batch(runtime, batch));
      tokens += ExampleProgress.tokens(runtime, batch);
      progress.examples(first + batch.size(), source.count(), tokens);
    }
    return all;
  }

  private Evaluation plus(Evaluation more) {
    return new Evaluation(
        output,
        examples + more.examples,
        predictions + more.predictions,
        correct + more.correct,
        logLikelihood + more.logLikelihood);
  }

  /**
   * Evaluates a model on a source's examples, item by item: an item is one example, or, of a model
   * that predicts tokens, one batch.
   *
   * @throws InvalidInput as {@link #of}
   */
  public static List<Evaluation> items(
      ModelRuntime runtime, ExampleSource source, int batchSize, ExampleProgress progress) {
    List<Evaluation> items = new ArrayList<>();
    long tokens = 0;
    for (long first = 0; first < source.count(); first += batchSize) {
      List<Example> batch = read(source, first, batchSize);
      items.addAll(itemsOf(runtime, batch));
      tokens += ExampleProgress.tokens(runtime, batch);
      progress.examples(first + batch.size(), source.count(), tokens);
    }
    return items;
  }

  private static List<Example> read(ExampleSource source, long first, int batchSize) {
    return source.read(first, (int) Math.min(batchSize, source.count() - first));
  }

  private static Evaluation batch(ModelRuntime runtime, List<Example> batch) {
    Evaluation all = new Evaluation(runtime.output(), 0, 0, 0, 0);
    for (Evaluation item : itemsOf(runtime, batch)) {
      all = all.plus(item);
    }
    return all;
  }

  private static List<Evaluation> itemsOf(ModelRuntime runtime, List<Example> batch) {
    if (runtime.output() == Output.TOKENS) {
      try (TokenPass pass = runtime.forwardTokens(batch)) {
        TokenScores scores = pass.scores();
        return List.of(
            new Evaluation(
                Output.TOKENS,
                batch.size(),
                scores.tokens(),
                scores.correct(),
                scores.logLikelihood()));
      }
    }
    return runtime.output() == Output.VALUE
        ? values(Values.of(batch, runtime.logits(batch)))
        : classes(Predictions.of(batch, runtime.logits(batch)));
  }

  private static List<Evaluation> values(Values values) {
    List<Evaluation> items = new ArrayList<>();
    for (int i = 0; i < values.size(); i++) {
      items.add(new Evaluation(Output.VALUE, 1, 1, 0, values.logLikelihood(i)));
    }
    return items;
  }

  private static List<Evaluation> classes(Predictions predictions) {
    List<Evaluation> items = new ArrayList<>();
    for (int i = 0; i < predictions.size(); i++) {
      int label = predictions.labels()[i];
      items.add(
          new Evaluation(
              Output.CLASSES,
              1,
              1,
              predictions.mostLikely(i) == label ? 1 : 0,
              predictions.logProbabilities()[i][label]));
    }
    return items;
  }

  /** The share of correct predictions, 0 to 1; empty when the model predicts a value. */
  public OptionalDouble accuracy() {
    return output == Output.VALUE
        ? OptionalDouble.empty()
        : OptionalDouble.of((double) correct / predictions);
  }

  /** The mean of log p(label) over predictions, in nats; at most 0. */
  public double meanLogLikelihood() {
    return logLikelihood / predictions;
  }

  /** How many tokens were predicted; empty when the model does not predict tokens. */
  public OptionalLong tokens() {
    return output == Output.TOKENS ? OptionalLong.of(predictions) : OptionalLong.empty();
  }

  /** e to the mean negative log-likelihood a token; empty as {@link #tokens} is. */
  public OptionalDouble perplexity() {
    return output == Output.TOKENS
        ? OptionalDouble.of(Math.exp(-meanLogLikelihood()))
        : OptionalDouble.empty();
  }

  /** The figures in one line, for people. */
  @Override
  public String toString() {
    StringBuilder line = new StringBuilder(String.format(Locale.ROOT, "examples %d", examples));
    tokens().ifPresent(n -> line.append(String.format(Locale.ROOT, ", tokens %d", n)));
    accuracy()
        .ifPresent(share -> line.append(String.format(Locale.ROOT, ", accuracy %.4g", share)));
    line.append(
        String.format(
            Locale.ROOT,
            output == Output.TOKENS
                ? ", mean log-likelihood per token %.4g"
                : ", mean log-likelihood %.4g",
            meanLogLikelihood()));
    perplexity()
        .ifPresent(value -> line.append(String.format(Locale.ROOT, ", perplexity %.4g", value)));
    return line.toString();
  }
}
