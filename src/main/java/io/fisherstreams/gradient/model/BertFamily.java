package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;

/**
 * BERT, RoBERTa and DistilBERT for sequence classification and regression, as Hugging Face's {@code
 * BertForSequenceClassification}, {@code RobertaForSequenceClassification} and {@code
 * DistilBertForSequenceClassification} in evaluation mode. The outputs are read at the first
 * position.
 *
 * <p>Inputs: {@code input_ids} (tokens) and {@code attention_mask} (tokens), 0 or 1; without a mask
 * every position counts. BERT and RoBERTa also read {@code token_type_ids} (tokens), 0 if missing.
 */
final class BertFamily implements Network {
  private final TokenBatch.Limits limits;
  private final Optional<Integer> padding;
  private final LoadedParameter words;
  private final LoadedParameter positions;
  private final Optional<LoadedParameter> types;
  private final LayerNorm embeddingNorm;
  private final List<TransformerBlock> blocks;
  private final Linear dense;
  private final Activation activation;
  private final Linear classifier;
  private final Output output;

  /** Positions of the table; RoBERTa's texts have fewer. */
  private static int positions(ModelConfig config) {
    return config.positive("max_position_embeddings", 512);
  }

  /** RoBERTa's positions begin after its padding token's. */
  private static Optional<Integer> padding(ModelConfig config, BertNames names) {
    return names.isRoberta() ? Optional.of(config.index("pad_token_id", 1)) : Optional.empty();
  }

  private static TokenBatch.Limits limits(ModelConfig config, BertNames names) {
    Optional<Integer> padding = padding(config, names);
    int longest = positions(config) - padding.map(pad -> pad + 1).orElse(0);
    if (longest < 1) {
      throw new InvalidInput(
          "%s: max_position_embeddings leaves no position beside pad_token_id"
              .formatted(config.origin()));
    }
    return new TokenBatch.Limits(
        config.positive("vocab_size", names.vocabulary()),
        longest,
        padding.isPresent() ? "room for" : "max_position_embeddings",
        names.isDistilled() ? 0 : config.positive("type_vocab_size", 2));
  }

  private BertFamily(ModelConfig config, Parameters parameters, BertNames names) {
    int width = config.positive(names.width(), 768);
    int heads = config.positive(names.heads(), 12);
    int headWidth = config.headWidth(names.width(), width, names.heads(), heads);
    int inner = config.positive(names.inner(), 3072);
    float epsilon = names.isDistilled() ? 1e-12f : (float) config.number("layer_norm_eps", 1e-12);
    Activation hidden =
        Activation.named(
            config.origin(), names.activation(), config.text(names.activation(), "gelu"));
    requireImplemented(config);
    OutputHead head = OutputHead.of(config, parameters, classifier(names));
    output = head.kind();

    String anchor = "embeddings.word_embeddings.weight";
    parameters.findPrefix(names.prefix() + anchor, anchor);
    String prefix = parameters.has(anchor) ? "" : names.prefix();
    limits = limits(config, names);
    padding = padding(config, names);
    int typeCount = limits.tokenTypes();
    int table = positions(config);
    String embeddings = prefix + "embeddings.";
    words = parameters.take(embeddings + "word_embeddings.weight", limits.vocabulary(), width);
    boolean frozen = config.flag("sinusoidal_pos_embds", false);
    String positionName = embeddings + "position_embeddings.weight";
    positions =
        frozen
            ? parameters.takeFrozen(positionName, table, width)
            : parameters.take(positionName, table, width);
    types =
        typeCount == 0
            ? Optional.empty()
            : Optional.of(
                parameters.take(embeddings + "token_type_embeddings.weight", typeCount, width));
    embeddingNorm = LayerNorm.of(parameters, embeddings + "LayerNorm", width, epsilon);
    blocks = new ArrayList<>();
    for (int i = 0; i < config.positive(names.layers(), names.isDistilled() ? 6 : 12); i++) {
      String block = prefix + names.block() + i + ".";
      blocks.add(
          TransformerBlock.normLast(
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + names.attentionNorm(), width, epsilon),
                  new AttentionLayer(
                      List.of(
                          Linear.of(parameters, block + names.query(), width, width, true),
                          Linear.of(parameters, block + names.key(), width, width, true),
                          Linear.of(parameters, block + names.value(), width, width, true)),
                      new Attention(heads, 1 / Math.sqrt(headWidth)),
                      Linear.of(parameters, block + names.out(), width, width, true))),
              new TransformerBlock.Step(
                  LayerNorm.of(parameters, block + names.mlpNorm(), width, epsilon),
                  new Mlp(
                      null,
                      Linear.of(parameters, block + names.up(), width, inner, true),
                      hidden,
                      Linear.of(parameters, block + names.down(), inner, width, true)))));
    }
    String denseName = names.isBert() ? prefix + names.dense() : names.dense();
    dense = Linear.of(parameters, denseName, width, width, true);
    activation = names.headActivation();
    classifier = Linear.of(parameters, names.classifier(), width, head.outputs(), true);
    ignoreOthers(parameters, prefix, names);
  }

  private static void requireImplemented(ModelConfig config) {
    String positions = config.text("position_embedding_type", "absolute");
    if (!positions.equals("absolute")) {
      throw new InvalidInput(
          "%s: position_embedding_type '%s' is not implemented"
              .formatted(config.origin(), positions));
    }
    for (String key : List.of("is_decoder", "add_cross_attention")) {
      if (config.flag(key, false)) {
        throw new InvalidInput("%s: %s is not implemented".formatted(config.origin(), key));
      }
    }
    config
        .shown("pruned_heads")
        .filter(pruned -> !pruned.equals("{}"))
        .ifPresent(
            pruned -> {
              throw new InvalidInput(
                  "%s: pruned_heads is not implemented, found %s"
                      .formatted(config.origin(), pruned));
            });
  }

  /** Buffers, and the heads of the pretraining, which a classifier does not use. */
  private static void ignoreOthers(Parameters parameters, String prefix, BertNames names) {
    parameters.ignore(
        name ->
            name.endsWith("embeddings.position_ids")
                || name.endsWith("embeddings.token_type_ids")
                || (names.isRoberta() && name.startsWith(prefix + "pooler."))
                || names.pretrainingHeads().stream().anyMatch(name::startsWith));
  }

  /** The architectures for {@code model_type} "bert", "roberta" and "distilbert". */
  static List<Architecture> architectures() {
    return List.of(
        architecture("bert", BertNames.BERT),
        architecture("roberta", BertNames.ROBERTA),
        architecture("distilbert", BertNames.DISTILBERT));
  }

  private static Architecture architecture(String modelType, BertNames names) {
    return new Architecture(
        Set.of(modelType),
        (config, parameters) -> new BertFamily(config, parameters, names),
        config -> limits(config, names)::require,
        Optional.of(classifier(names)));
  }

  private static String classifier(BertNames names) {
    return names.classifier() + ".weight";
  }

  @Override
  public Output output() {
    return output;
  }

  @Override
  public Set<String> embeddings() {
    Set<String> tables = new HashSet<>(Set.of(words.name(), positions.name()));
    types.ifPresent(table -> tables.add(table.name()));
    return tables;
  }

  @Override
  public void requireInputs(Example example) {
    TokenBatch.of(List.of(example), limits);
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    return new BertPass(scope, TokenBatch.of(batch, limits), true);
  }

  @Override
  public NDArray logits(NDManager scope, List<Example> batch) {
    return new BertPass(scope, TokenBatch.of(batch, limits), false).logits();
  }

  private int[][] positionRows(TokenBatch batch) {
    return padding
        .map(
            pad ->
                Arrays.stream(batch.tokens())
                    .map(ids -> positionsAfter(pad, ids))
                    .toArray(int[][]::new))
        .orElseGet(batch::countedPositions);
  }

  /** RoBERTa counts the tokens that are not padding, from the ids, whatever the mask. */
  private static int[] positionsAfter(int pad, int[] ids) {
    int[] rows = new int[ids.length];
    int next = pad + 1;
    for (int i = 0; i < ids.length; i++) {
      rows[i] = ids[i] == pad ? pad : next++;
    }
    return rows;
  }

  private final class BertPass implements Pass {
    private final TokenBatch batch;
    private final int[][] positionRows;
    private final Layer.Pass embedded;
    private final BlockPasses passes;
    private final NDArray read;
    private final NDArray pooled;
    private final NDArray activated;
    private final NDArray logits;

    /**
     * Runs the batch.
     *
     * @param readOutOnly whether the last block computes only the row that the logits need; {@link
     *     #backward} requires this
     */
    BertPass(NDManager scope, TokenBatch batch, boolean readOutOnly) {
      this.batch = batch;
      positionRows = positionRows(batch);
      // Automatic differentiation reads the ids again, so they must exist as long as the pass.
      NDArray wordIds = batch.ids(scope, batch.tokens());
      NDArray positionIds = batch.ids(scope, positionRows);
      NDArray typeIds = batch.ids(scope, batch.types());
      NDArray sum =
          Scratch.scoped(
              () -> {
                NDArray both = lookUp(wordIds, words).add(lookUp(positionIds, positions));
                return types.map(table -> both.add(lookUp(typeIds, table))).orElse(both);
              });
      embedded = embeddingNorm.forward(sum);
      NDArray first = batch.select(scope, new int[batch.size()]);
      Attending all = Attending.masked(batch.keyMask(scope));
      passes = BlockPasses.run(blocks, embedded.output(), all, readOutOnly ? first : null);
      NDArray x = passes.output();
      read = readOutOnly ? x : first.matMul(x);
      pooled = dense.forward(read);
      activated = activation.apply(pooled);
      logits = classifier.forward(activated).reshape(batch.size(), -1);
    }

    private static NDArray lookUp(NDArray ids, LoadedParameter table) {
      return Embedding.embedding(ids, table.value(), SparseFormat.DENSE).singletonOrThrow();
    }

    @Override
    public NDArray logits() {
      return logits;
    }

    /** The first position is read, whether it counts or not. */
    @Override
    public Backward.RowRanges ranges() {
      return new Backward.RowRanges(new int[batch.size()], batch.end());
    }

    @Override
    public void backward(NDArray d, Backward backward) {
      NDArray gradient =
          Scratch.scoped(
              () -> {
                classifier.addSquares(activated, d, backward);
                NDArray dPooled =
                    classifier
                        .inputGradient(d)
                        .muli(backward.byDirection(activation.derivative(pooled)));
                dense.addSquares(read, dPooled, backward);
                return dense.inputGradient(dPooled);
              });
      try (NDArray normed = passes.backward(gradient, backward)) {
        Scratch.run(
            () -> {
              NDArray sum = embedded.backward(normed, backward);
              backward.addEmbeddingSquares(words, sum, batch.tokens());
              backward.addEmbeddingSquares(positions, sum, positionRows);
              types.ifPresent(table -> backward.addEmbeddingSquares(table, sum, batch.types()));
            });
      }
    }
  }
}
