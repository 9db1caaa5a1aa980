package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.function.Consumer;
import java.util.stream.IntStream;

/**
 * T5 as Hugging Face's {@code T5ForConditionalGeneration} in evaluation mode. The decoder reads the
 * labels shifted right by one, so the row of a position predicts the label of that position.
 *
 * <p>Inputs: {@code input_ids} (tokens) and {@code attention_mask} (tokens) of the encoder, and
 * {@code labels} (targets), -100 where nothing is predicted.
 */
final class T5 implements LanguageNetwork {
  private static final String TABLE = "shared.weight";
  private static final String HEAD = "lm_head.weight";
  // Relative positions have no end.
  private static final int MAX_TOKENS = 1 << 20;

  private final TokenBatch.Limits limits;
  private final int startToken;
  private final int padding;
  private final LoadedParameter table;
  private final LoadedParameter head;
  private final float hiddenScale;
  private final T5Stack encoder;
  private final T5Stack decoder;

  private T5(ModelConfig config, Parameters parameters) {
    int width = config.positive("d_model", 512);
    limits = limits(config);
    int vocabulary = limits.vocabulary();
    padding = config.index("pad_token_id", 0);
    startToken = config.index("decoder_start_token_id", padding);
    parameters.findPrefix(TABLE);
    table = parameters.take(TABLE, vocabulary, width);
    for (String copy : List.of("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")) {
      parameters.requireCopy(copy, table, vocabulary, width);
    }
    boolean tied = config.flag("tie_word_embeddings", true);
    if (tied) {
      parameters.requireCopy(HEAD, table, vocabulary, width);
    }
    head = tied ? table : parameters.take(HEAD, vocabulary, width);
    hiddenScale = tied ? (float) (1 / Math.sqrt(width)) : 1;
    int layers = config.positive("num_layers", 6);
    encoder = new T5Stack(config, parameters, false, layers);
    decoder = new T5Stack(config, parameters, true, config.positive("num_decoder_layers", layers));
    // Early checkpoints have it, but no layer reads it.
    parameters.ignore(name -> name.endsWith("EncDecAttention.relative_attention_bias.weight"));
  }

  /** The architecture for {@code model_type} "t5". */
  static Architecture architecture() {
    return new Architecture(
        Set.of("t5"),
        (config, parameters) -> {
          throw new InvalidInput(
              "%s: t5 is implemented for the architecture T5ForConditionalGeneration only"
                  .formatted(config.origin()));
        },
        Optional.of(new Architecture.Language(T5::new, T5::inputs)),
        config -> limits(config)::require,
        Optional.empty());
  }

  private static Consumer<Example> inputs(ModelConfig config) {
    TokenBatch.Limits limits = limits(config);
    return example -> {
      limits.require(example);
      targets(example, limits);
    };
  }

  private static TokenBatch.Limits limits(ModelConfig config) {
    return new TokenBatch.Limits(config.positive("vocab_size", 32128), MAX_TOKENS, "room for", 0);
  }

  @Override
  public Set<String> embeddings() {
    return head.name().equals(table.name()) ? Set.of() : Set.of(table.name());
  }

  @Override
  public LoadedParameter tokens() {
    return table;
  }

  @Override
  public LoadedParameter head() {
    return head;
  }

  @Override
  public void requireInputs(Example example) {
    limits.require(example);
    targets(example, limits);
  }

  @Override
  public LanguageNetwork.Pass forward(NDManager scope, List<Example> batch) {
    return new T5Pass(scope, TokenBatch.of(batch, limits), decoderInputs(batch), targets(batch));
  }

  private int[][] targets(List<Example> batch) {
    return batch.stream().map(example -> targets(example, limits)).toArray(int[][]::new);
  }

  /** The token that each position has to predict, or -1. */
  private static int[] targets(Example example, TokenBatch.Limits limits) {
    int[] targets =
        Arrays.stream(DecoderLanguageModel.labels(example, limits.vocabulary()))
            .mapToInt(label -> label == Example.IGNORED ? -1 : (int) label)
            .toArray();
    if (Arrays.stream(targets).noneMatch(target -> target >= 0)) {
      throw example.invalid("labels has nothing to predict: all are " + Example.IGNORED);
    }
    return targets;
  }

  /** The labels behind the start token, up to the last one that is predicted. */
  private TokenBatch decoderInputs(List<Example> batch) {
    int[][] targets = targets(batch);
    int[][] tokens = new int[targets.length][];
    int[][] types = new int[targets.length][];
    boolean[][] attended = new boolean[targets.length][];
    int[] end = new int[targets.length];
    for (int i = 0; i < targets.length; i++) {
      int[] labels = targets[i];
      end[i] =
          IntStream.range(0, labels.length).filter(t -> labels[t] >= 0).max().orElseThrow() + 1;
      tokens[i] = new int[end[i]];
      types[i] = new int[end[i]];
      attended[i] = new boolean[end[i]];
      Arrays.fill(attended[i], true);
      tokens[i][0] = startToken;
      for (int t = 1; t < end[i]; t++) {
        tokens[i][t] = labels[t - 1] < 0 ? padding : labels[t - 1];
      }
    }
    return new TokenBatch(
        tokens,
        types,
        attended,
        new int[targets.length],
        end,
        Arrays.stream(end).max().orElseThrow());
  }

  private final class T5Pass implements LanguageNetwork.Pass {
    private final TokenBatch inputs;
    private final TokenBatch outputs;
    private final int[][] targets;
    private final T5Stack.Pass encoderPass;
    private final T5Stack.Pass decoderPass;
    private final Encoded encoded;
    private final NDArray hidden;

    T5Pass(NDManager scope, TokenBatch inputs, TokenBatch outputs, int[][] targets) {
      this.inputs = inputs;
      this.outputs = outputs;
      this.targets = targets;
      NDArray keys = inputs.keyMask(scope);
      encoderPass = encoder.forward(scope, lookUp(scope, inputs), keys, null);
      encoded =
          new Encoded(encoderPass.output(), new Backward.RowRanges(inputs.first(), inputs.end()));
      NDArray causal = outputs.causalMask(scope, outputs.length());
      decoderPass =
          decoder.forward(
              scope,
              lookUp(scope, outputs),
              causal.add(outputs.keyMask(scope)),
              Attending.to(encoded, keys));
      hidden =
          hiddenScale == 1
              ? decoderPass.output()
              : Scratch.times(decoderPass.output(), hiddenScale);
    }

    private NDArray lookUp(NDManager scope, TokenBatch batch) {
      return Embedding.embedding(
              batch.ids(scope, batch.tokens()), table.value(), SparseFormat.DENSE)
          .singletonOrThrow();
    }

    @Override
    public NDArray hidden() {
      return hidden;
    }

    @Override
    public int[][] targets() {
      return targets;
    }

    @Override
    public Backward.RowRanges ranges() {
      return new Backward.RowRanges(outputs.first(), outputs.end());
    }

    @Override
    public int[][] lookedUp() {
      int[][] lookedUp = new int[inputs.size()][];
      for (int i = 0; i < lookedUp.length; i++) {
        lookedUp[i] =
            IntStream.concat(
                    Arrays.stream(inputs.tokens()[i], inputs.first()[i], inputs.end()[i]),
                    Arrays.stream(outputs.tokens()[i]))
                .toArray();
      }
      return lookedUp;
    }

    @Override
    public void backward(NDArray d, Backward backward, RowGradients rows) {
      try (NDArray output = d.mul(hiddenScale);
          NDArray embedded = decoderPass.backward(output, backward)) {
        rows.add(embedded, outputs.tokens(), backward);
      }
      Backward encoderBackward = encoded.backward(backward);
      try (NDArray source = encoded.take();
          NDArray embedded = encoderPass.backward(source, encoderBackward)) {
        rows.add(embedded, inputs.tokens(), encoderBackward);
      }
    }
  }
}
