package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * GPT-2 for sequence classification, as Hugging Face's {@code GPT2ForSequenceClassification} in
 * evaluation mode: positions count from 0 whatever the padding, attention is causal and skips
 * positions whose mask is 0, and the logits are read at the last position whose mask is 1.
 *
 * <p>Inputs: {@code input_ids} (tokens) and {@code attention_mask} (tokens), 0 or 1; without a mask
 * every position counts.
 */
final class Gpt2 implements Network {
  private static final String SINGLE_LABEL = "single_label_classification";

  private final int vocabulary;
  private final int maxPositions;
  private final int classes;
  private final LoadedParameter tokens;
  private final LoadedParameter positions;
  private final List<TransformerBlock> blocks;
  private final LayerNorm finalNorm;
  private final Linear score;

  private Gpt2(ModelConfig config, Parameters parameters) {
    int width = config.positive("n_embd", 768);
    int heads = config.positive("n_head", 12);
    int headWidth = config.headWidth("n_embd", width, "n_head", heads);
    int inner = config.positive("n_inner", 4 * width);
    float epsilon = (float) config.number("layer_norm_epsilon", 1e-5);
    Activation activation =
        Activation.named(
            config.origin(), "activation_function", config.text("activation_function", "gelu_new"));
    if (config.flag("add_cross_attention", false)) {
      throw new InvalidInput(
          "%s: add_cross_attention is not implemented".formatted(config.origin()));
    }
    boolean scaled = config.flag("scale_attn_weights", true);
    boolean byLayer = config.flag("scale_attn_by_inverse_layer_idx", false);
    vocabulary = config.positive("vocab_size", 50257);
    maxPositions = config.positive("n_positions", 1024);
    classes =
        parameters
            .headTensor("score.weight")
            .map(TensorInfo::shape)
            .filter(shape -> !shape.isEmpty())
            .map(shape -> Math.toIntExact(shape.get(0)))
            .orElseGet(config::classes);
    requireClasses(config);

    parameters.findPrefix("transformer.wte.weight", "wte.weight");
    String prefix = parameters.has("wte.weight") ? "" : "transformer.";
    tokens = parameters.take(prefix + "wte.weight", vocabulary, width);
    positions = parameters.take(prefix + "wpe.weight", maxPositions, width);
    blocks = new ArrayList<>();
    for (int i = 0; i < config.positive("n_layer", 12); i++) {
      String block = prefix + "h." + i + ".";
      double scale = (scaled ? 1 / Math.sqrt(headWidth) : 1.0) / (byLayer ? i + 1 : 1);
      blocks.add(
          new TransformerBlock(
              LayerNorm.of(parameters, block + "ln_1", width, epsilon),
              List.of(
                  Linear.of(
                      parameters, block + "attn.c_attn", width, 3 * width, Linear.Layout.IN_OUT)),
              new Attention(heads, scale),
              Linear.of(parameters, block + "attn.c_proj", width, width, Linear.Layout.IN_OUT),
              LayerNorm.of(parameters, block + "ln_2", width, epsilon),
              Linear.of(parameters, block + "mlp.c_fc", width, inner, Linear.Layout.IN_OUT),
              activation,
              Linear.of(parameters, block + "mlp.c_proj", inner, width, Linear.Layout.IN_OUT)));
    }
    finalNorm = LayerNorm.of(parameters, prefix + "ln_f", width, epsilon);
    score =
        new Linear(
            parameters.take("score.weight", classes, width),
            Optional.empty(),
            Linear.Layout.OUT_IN);
    // Old checkpoints contain the causal mask as a tensor; here it is computed.
    parameters.ignore(name -> name.endsWith(".attn.bias") || name.endsWith(".attn.masked_bias"));
  }

  /**
   * Hugging Face treats a single label as regression. As a class its Fisher would be 0 everywhere.
   */
  private void requireClasses(ModelConfig config) {
    String problem = config.text("problem_type", SINGLE_LABEL);
    config.requireClasses(classes, "score.weight or num_labels");
    if (!problem.equals(SINGLE_LABEL)) {
      throw new InvalidInput(
          "%s: expected a classifier with one label for each example, found problem_type '%s'"
              .formatted(config.origin(), problem));
    }
  }

  /** The architecture for {@code model_type} "gpt2". */
  static Architecture architecture() {
    return new Architecture(Set.of("gpt2"), Gpt2::new);
  }

  @Override
  public Set<String> embeddings() {
    return Set.of(tokens.name(), positions.name());
  }

  @Override
  public void requireInputs(Example example) {
    TokenBatch.of(List.of(example), vocabulary, maxPositions);
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    return new Gpt2Pass(scope, TokenBatch.of(batch, vocabulary, maxPositions), true);
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    return new Gpt2Pass(scope, TokenBatch.of(batch, vocabulary, maxPositions), false).logits();
  }

  private final class Gpt2Pass implements Pass {
    private final TokenBatch batch;
    private final List<TransformerBlock.Pass> passes = new ArrayList<>();
    private final LayerNorm.Pass normed;
    private final NDArray logits;

    /**
     * Runs the batch.
     *
     * @param readOutOnly whether the last block computes only the row that the logits need; {@link
     *     #backward} requires this
     */
    Gpt2Pass(NDManager scope, TokenBatch batch, boolean readOutOnly) {
      this.batch = batch;
      // Automatic differentiation reads the ids again, so they must exist as long as the pass.
      NDArray ids = batch.ids(scope);
      NDArray x =
          Scratch.scoped(
              () -> {
                NDArray embedded =
                    Embedding.embedding(ids, tokens.value(), SparseFormat.DENSE).singletonOrThrow();
                NDArray range = scope.arange(0, batch.length(), 1, DataType.INT32);
                return embedded.add(
                    Embedding.embedding(range, positions.value(), SparseFormat.DENSE)
                        .singletonOrThrow());
              });
      NDArray keyMask = batch.keyMask(scope);
      NDArray mask = batch.causalMask(scope).add(keyMask);
      NDArray last = batch.last(scope);
      for (int i = 0; i < blocks.size(); i++) {
        // Only the last block's read-out row counts, and no key after it does: the causal mask is
        // implied there.
        boolean top = readOutOnly && i == blocks.size() - 1;
        TransformerBlock.Pass pass =
            blocks.get(i).forward(x, top ? keyMask : mask, top ? last : null);
        passes.add(pass);
        x = pass.output();
      }
      normed = finalNorm.forward(readOutOnly ? x : last.matMul(x));
      logits = score.forward(normed.output()).reshape(batch.tokens().length, classes);
    }

    @Override
    public NDArray logits() {
      return logits;
    }

    @Override
    public Backward.RowRanges ranges() {
      return new Backward.RowRanges(batch.first(), batch.end());
    }

    @Override
    public void backward(NDArray d, Backward backward) {
      NDArray gradient =
          Scratch.scoped(
              () -> {
                score.addSquares(normed.output(), d, backward);
                return normed.backward(score.inputGradient(d), backward);
              });
      for (int i = passes.size() - 1; i >= 0; i--) {
        try (NDArray output = gradient) {
          gradient = passes.get(i).backward(output, backward);
        }
      }
      try (NDArray embedded = gradient) {
        backward.addEmbeddingSquares(tokens, embedded, batch.tokens());
        backward.addEmbeddingSquares(positions, embedded, batch.positionRows());
      }
    }
  }
}
