package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * A decoder for sequence classification and regression, as Hugging Face's {@code
 * …ForSequenceClassification} in evaluation mode: {@code score} reads the last position whose token
 * is not {@code pad_token_id}, among those whose mask is 1.
 *
 * <p>Inputs: {@code input_ids} (tokens) and {@code attention_mask} (tokens), 0 or 1; without a mask
 * every position counts.
 */
final class DecoderClassifier implements Network {
  static final String SCORE = "score.weight";

  private final Decoder decoder;

  /** -1 for none. */
  private final int padding;

  private final Linear score;
  private final Output output;
  private final int width;

  /**
   * A classifier on a decoder.
   *
   * @param width elements of the decoder's rows
   */
  DecoderClassifier(ModelConfig config, Parameters parameters, Decoder decoder, int width) {
    OutputHead head = OutputHead.of(config, parameters, SCORE);
    this.decoder = decoder;
    this.width = width;
    this.padding = config.token("pad_token_id").orElse(-1);
    this.output = head.kind();
    this.score =
        new Linear(
            parameters.take(SCORE, head.outputs(), width), Optional.empty(), Linear.Layout.OUT_IN);
  }

  @Override
  public Output output() {
    return output;
  }

  @Override
  public Set<String> embeddings() {
    Set<String> tables = new HashSet<>(Set.of(decoder.tokens().name()));
    decoder.positions().ifPresent(table -> tables.add(table.name()));
    return tables;
  }

  @Override
  public void requireInputs(Example example) {
    TokenBatch.of(List.of(example), decoder.limits());
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    return new ClassifierPass(scope, TokenBatch.of(batch, decoder.limits()), true);
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    return new ClassifierPass(scope, TokenBatch.of(batch, decoder.limits()), false).logits();
  }

  private int[] read(TokenBatch batch) {
    int[] read = new int[batch.size()];
    for (int i = 0; i < read.length; i++) {
      int position = batch.end()[i] - 1;
      while (position > batch.first()[i]
          && (!batch.attended()[i][position] || batch.tokens()[i][position] == padding)) {
        position--;
      }
      read[i] = position;
    }
    return read;
  }

  private final class ClassifierPass implements Pass {
    private final Decoder.Pass pass;
    private final NDArray logits;

    ClassifierPass(NDManager scope, TokenBatch batch, boolean readOutOnly) {
      pass = decoder.forward(scope, batch, read(batch), readOutOnly);
      logits = score.forward(pass.output()).reshape(batch.size(), -1);
    }

    @Override
    public NDArray logits() {
      return logits;
    }

    @Override
    public Backward.RowRanges ranges() {
      return pass.ranges();
    }

    @Override
    public void backward(NDArray d, Backward backward) {
      NDArray read =
          Scratch.scoped(
              () -> {
                score.addSquares(pass.output(), d, backward);
                return score.inputGradient(d);
              });
      RowGradients rows = RowGradients.of(backward, pass.lookedUp(), width);
      try (NDArray rowGradient = read) {
        pass.backward(rowGradient, backward, rows);
      }
      backward.addRowSquares(decoder.tokens(), rows);
    }
  }
}
