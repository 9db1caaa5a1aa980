package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.function.Consumer;

/**
 * A decoder as a causal language model, as Hugging Face's {@code …ForCausalLM} in evaluation mode:
 * the row of a position predicts the label of the next position.
 *
 * <p>Inputs: {@code input_ids} (tokens), {@code attention_mask} (tokens), 0 or 1, and {@code
 * labels} (tokens), -100 where nothing is predicted. Without a mask every position counts. The
 * first token that counts has nothing before it, so its label is never a target.
 */
final class DecoderLanguageModel implements LanguageNetwork {
  private static final String HEAD = "lm_head.weight";
  private static final List<String> LANGUAGE_MODELS =
      List.of("ForCausalLM", "LMHeadModel", "ForConditionalGeneration");

  private final Decoder decoder;
  private final LoadedParameter head;

  /**
   * A language model on a decoder.
   *
   * @param width elements of the decoder's rows
   * @param tiedByDefault whether the head is the token table if the config does not say
   */
  DecoderLanguageModel(
      ModelConfig config,
      Parameters parameters,
      Decoder decoder,
      int width,
      boolean tiedByDefault) {
    this.decoder = decoder;
    this.head =
        config.flag("tie_word_embeddings", tiedByDefault)
            ? tied(parameters, decoder, width)
            : parameters.take(HEAD, decoder.limits().vocabulary(), width);
  }

  /** The token table. A copy of it in the file, as older programs wrote, is no parameter. */
  private static LoadedParameter tied(Parameters parameters, Decoder decoder, int width) {
    parameters.requireCopy(HEAD, decoder.tokens(), decoder.limits().vocabulary(), width);
    return decoder.tokens();
  }

  /**
   * Whether a model is a causal language model: it has no classifier, and its config or its tensors
   * say so.
   *
   * @param tensors the names of its tensors and its head's
   * @throws InvalidInput when the config names an architecture that is neither
   */
  static boolean isMeant(ModelConfig config, Set<String> tensors) {
    if (has(tensors, "score.weight")) {
      return false;
    }
    List<String> names = config.texts("architectures");
    if (names.stream().anyMatch(name -> LANGUAGE_MODELS.stream().anyMatch(name::endsWith))) {
      return true;
    }
    for (String name : names) {
      if (name.contains("For") && !name.endsWith("ForSequenceClassification")) {
        throw new InvalidInput(
            ("%s: the architecture %s is not implemented; known are those for sequence"
                    + " classification and causal language models")
                .formatted(config.origin(), name));
      }
    }
    return names.isEmpty() && has(tensors, HEAD);
  }

  private static boolean has(Set<String> tensors, String name) {
    return tensors.stream().anyMatch(found -> found.equals(name) || found.endsWith("." + name));
  }

  @Override
  public Set<String> embeddings() {
    Set<String> tables = new HashSet<>();
    if (!head.name().equals(decoder.tokens().name())) {
      tables.add(decoder.tokens().name());
    }
    decoder.positions().ifPresent(table -> tables.add(table.name()));
    return tables;
  }

  @Override
  public LoadedParameter tokens() {
    return decoder.tokens();
  }

  @Override
  public LoadedParameter head() {
    return head;
  }

  @Override
  public void requireInputs(Example example) {
    inputs(decoder.limits()).accept(example);
  }

  /** Rejects an example that a language model with these limits rejects. */
  static Consumer<Example> inputs(TokenBatch.Limits limits) {
    return example -> targets(example, TokenBatch.of(List.of(example), limits), 0, limits);
  }

  @Override
  public LanguageNetwork.Pass forward(NDManager scope, List<Example> batch) {
    TokenBatch tokens = TokenBatch.of(batch, decoder.limits());
    int[][] targets = new int[batch.size()][];
    for (int i = 0; i < targets.length; i++) {
      targets[i] = targets(batch.get(i), tokens, i, decoder.limits());
    }
    return new DecoderPass(decoder.forward(scope, tokens), targets);
  }

  /** The token that each position has to predict, or -1. */
  private static int[] targets(
      Example example, TokenBatch batch, int index, TokenBatch.Limits limits) {
    long[] labels = labels(example, limits.vocabulary());
    int length = batch.tokens()[index].length;
    if (labels.length != length) {
      throw example.invalid(
          String.format(
              Locale.ROOT, "labels has %d values for %d input_ids", labels.length, length));
    }
    int[] targets = new int[length];
    Arrays.fill(targets, -1);
    boolean any = false;
    for (int i = batch.first()[index]; i + 1 < length; i++) {
      if (labels[i + 1] != Example.IGNORED) {
        if (!batch.attended()[index][i]) {
          throw example.invalid(
              String.format(
                  Locale.ROOT,
                  "labels[%d] is %d, but attention_mask[%d] is 0, so nothing predicts it",
                  i + 1,
                  labels[i + 1],
                  i));
        }
        targets[i] = (int) labels[i + 1];
        any = true;
      }
    }
    if (!any) {
      throw example.invalid(
          length == 1
              ? "one token has nothing to predict: a language model predicts tokens behind others"
              : "labels has nothing to predict: behind the first token, all are "
                  + Example.IGNORED);
    }
    return targets;
  }

  /**
   * An example's labels, checked.
   *
   * @throws InvalidInput when they are no vector of tokens and -100
   */
  static long[] labels(Example example, int vocabulary) {
    if (!example.inputs().containsKey(Example.LABELS)) {
      throw example.invalid(
          "has no label for each token; a language model needs labels, with "
              + Example.IGNORED
              + " where nothing is predicted");
    }
    InputTensor input = example.input(Example.LABELS);
    if (input.shape().size() != 1 || !input.integral()) {
      throw example.invalid(
          "labels: expected a vector of integers, found %s %s"
              .formatted(input.dtype(), input.shape()));
    }
    long[] labels = input.toLongs();
    for (int i = 0; i < labels.length; i++) {
      if (labels[i] != Example.IGNORED && (labels[i] < 0 || labels[i] >= vocabulary)) {
        throw example.invalid(
            String.format(
                Locale.ROOT,
                "labels[%d] is %d, neither %d nor in the vocabulary 0 … %d",
                i,
                labels[i],
                Example.IGNORED,
                vocabulary - 1));
      }
    }
    return labels;
  }

  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record DecoderPass(Decoder.Pass pass, int[][] targets) implements LanguageNetwork.Pass {

    @Override
    public NDArray hidden() {
      return pass.output();
    }

    @Override
    public Backward.RowRanges ranges() {
      return pass.ranges();
    }

    @Override
    public int[][] lookedUp() {
      return pass.lookedUp();
    }

    @Override
    public void backward(NDArray d, Backward backward, RowGradients rows) {
      pass.backward(d, backward, rows);
    }
  }
}
