package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.DataType;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import io.fisherstreams.tensor.TensorInfo;
import java.util.ArrayList;
import java.util.Arrays;
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
  // Finite, so that a row without any key (left padding) is no NaN; its doubling (causal and
  // padded) is finite too. exp of it is 0.
  private static final float MASKED = -1e30f;

  /** What Hugging Face's model would take beside these inputs; each would change the logits. */
  private static final List<String> OTHER_INPUTS =
      List.of("position_ids", "token_type_ids", "inputs_embeds");

  private static final String SINGLE_LABEL = "single_label_classification";

  private final int vocabulary;
  private final int maxPositions;
  private final int classes;
  private final Parameter tokens;
  private final Parameter positions;
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

    String prefix = parameters.has("wte.weight") ? "" : "transformer.";
    tokens = parameters.take(prefix + "wte.weight", vocabulary, width);
    positions = parameters.take(prefix + "wpe.weight", maxPositions, width);
    blocks = new ArrayList<>();
    for (int i = 0; i < config.positive("n_layer", 12); i++) {
      String block = prefix + "h." + i + ".";
      double scale = (scaled ? 1 / Math.sqrt(headWidth) : 1.0) / (byLayer ? i + 1 : 1);
      blocks.add(
          new TransformerBlock(
              norm(parameters, block + "ln_1", width, epsilon),
              List.of(linear(parameters, block + "attn.c_attn", width, 3 * width)),
              new Attention(heads, scale),
              linear(parameters, block + "attn.c_proj", width, width),
              norm(parameters, block + "ln_2", width, epsilon),
              linear(parameters, block + "mlp.c_fc", width, inner),
              activation,
              linear(parameters, block + "mlp.c_proj", inner, width)));
    }
    finalNorm = norm(parameters, prefix + "ln_f", width, epsilon);
    score =
        new Linear(
            parameters.take("score.weight", classes, width),
            Optional.empty(),
            Linear.Layout.OUT_IN);
    // Old checkpoints carry the causal mask as a tensor; it is computed here.
    parameters.ignore(name -> name.endsWith(".attn.bias") || name.endsWith(".attn.masked_bias"));
  }

  /** Hugging Face takes one label for regression; as a class its Fisher would be 0 everywhere. */
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

  private static LayerNorm norm(Parameters parameters, String name, int width, float epsilon) {
    return new LayerNorm(
        parameters.take(name + ".weight", width), parameters.take(name + ".bias", width), epsilon);
  }

  private static Linear linear(Parameters parameters, String name, int inputs, int outputs) {
    return new Linear(
        parameters.take(name + ".weight", inputs, outputs),
        Optional.of(parameters.take(name + ".bias", outputs)),
        Linear.Layout.IN_OUT);
  }

  @Override
  public Set<String> embeddings() {
    return Set.of(tokens.name(), positions.name());
  }

  @Override
  public void requireInputs(Example example) {
    Batch.of(List.of(example), vocabulary, maxPositions);
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    return new Gpt2Pass(scope, Batch.of(batch, vocabulary, maxPositions), true);
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    return new Gpt2Pass(scope, Batch.of(batch, vocabulary, maxPositions), false).logits();
  }

  /**
   * Token ids by example and position, cut after the last position that any example reads, and the
   * range of positions whose mask is 1 in it.
   */
  private record Batch(int[][] tokens, boolean[][] attended, int[] first, int[] end, int length) {

    static Batch of(List<Example> examples, int vocabulary, int maxPositions) {
      int[][] tokens = new int[examples.size()][];
      boolean[][] attended = new boolean[examples.size()][];
      int[] first = new int[examples.size()];
      int[] end = new int[examples.size()];
      for (int i = 0; i < tokens.length; i++) {
        Example example = examples.get(i);
        for (String other : OTHER_INPUTS) {
          if (example.inputs().containsKey(other)) {
            throw example.invalid(
                other + " is not implemented, expected input_ids and attention_mask only");
          }
        }
        tokens[i] = tokens(example, vocabulary, maxPositions);
        attended[i] = attended(example, tokens[i].length);
        first[i] = -1;
        for (int position = 0; position < tokens[i].length; position++) {
          if (attended[i][position]) {
            first[i] = first[i] < 0 ? position : first[i];
            end[i] = position + 1;
          }
        }
        if (first[i] < 0) {
          throw example.invalid("attention_mask has no 1: there is nothing to classify");
        }
      }
      return new Batch(tokens, attended, first, end, Arrays.stream(end).max().orElseThrow());
    }

    private static int[] tokens(Example example, int vocabulary, int maxPositions) {
      InputTensor input = vector(example, "input_ids");
      if (input.elements() > maxPositions) {
        throw example.invalid(
            "%d tokens, but the model has n_positions %d; shorten the text"
                .formatted(input.elements(), maxPositions));
      }
      long[] ids = input.toLongs();
      int[] tokens = new int[ids.length];
      for (int i = 0; i < ids.length; i++) {
        if (ids[i] < 0 || ids[i] >= vocabulary) {
          throw example.invalid(
              "input_ids[%d] is %d, outside the vocabulary 0 … %d"
                  .formatted(i, ids[i], vocabulary - 1));
        }
        tokens[i] = (int) ids[i];
      }
      return tokens;
    }

    private static boolean[] attended(Example example, int length) {
      boolean[] attended = new boolean[length];
      if (!example.inputs().containsKey("attention_mask")) {
        Arrays.fill(attended, true);
        return attended;
      }
      long[] mask = vector(example, "attention_mask").toLongs();
      if (mask.length != length) {
        throw example.invalid(
            "attention_mask has %d values for %d input_ids".formatted(mask.length, length));
      }
      for (int i = 0; i < length; i++) {
        if (mask[i] != 0 && mask[i] != 1) {
          throw example.invalid("attention_mask[%d] is %d, not 0 or 1".formatted(i, mask[i]));
        }
        attended[i] = mask[i] == 1;
      }
      return attended;
    }

    private static InputTensor vector(Example example, String name) {
      InputTensor input = example.input(name);
      if (input.shape().size() != 1 || !input.integral()) {
        throw example.invalid(
            "%s: expected a vector of integers, found %s %s"
                .formatted(name, input.dtype(), input.shape()));
      }
      return input;
    }

    NDArray ids(NDManager scope) {
      int[] flat = new int[tokens.length * length];
      for (int i = 0; i < tokens.length; i++) {
        System.arraycopy(tokens[i], 0, flat, i * length, Math.min(length, tokens[i].length));
      }
      return scope.create(flat, new Shape(tokens.length, length));
    }

    /** 0 at keys that count, {@link #MASKED} at all others: (examples, 1, 1, length). */
    NDArray keyMask(NDManager scope) {
      float[] mask = new float[tokens.length * length];
      Arrays.fill(mask, MASKED);
      for (int i = 0; i < tokens.length; i++) {
        for (int position = 0; position < end[i]; position++) {
          mask[i * length + position] = attended[i][position] ? 0 : MASKED;
        }
      }
      return scope.create(mask, new Shape(tokens.length, 1, 1, length));
    }

    /** {@link #MASKED} where the key comes after the query: (1, 1, length, length). */
    NDArray causalMask(NDManager scope) {
      float[] mask = new float[length * length];
      for (int query = 0; query < length; query++) {
        Arrays.fill(mask, query * length + query + 1, (query + 1) * length, MASKED);
      }
      return scope.create(mask, new Shape(1, 1, length, length));
    }

    /** 1 at each example's last position that counts: (examples, 1, length). */
    NDArray last(NDManager scope) {
      float[] select = new float[tokens.length * length];
      for (int i = 0; i < tokens.length; i++) {
        select[i * length + end[i] - 1] = 1;
      }
      return scope.create(select, new Shape(tokens.length, 1, length));
    }

    int[][] positionRows() {
      int[] rows = new int[length];
      Arrays.setAll(rows, i -> i);
      int[][] all = new int[tokens.length][];
      Arrays.fill(all, rows);
      return all;
    }
  }

  private final class Gpt2Pass implements Pass {
    private final Batch batch;
    private final List<TransformerBlock.Pass> passes = new ArrayList<>();
    private final LayerNorm.Pass normed;
    private final NDArray logits;

    /**
     * Runs the batch.
     *
     * @param readOutOnly whether the last block computes no row but the one that is read, without
     *     which there is no {@link #backward}
     */
    Gpt2Pass(NDManager scope, Batch batch, boolean readOutOnly) {
      this.batch = batch;
      // Automatic differentiation reads the ids again: they live as long as the pass.
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
