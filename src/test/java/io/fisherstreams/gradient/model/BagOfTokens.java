package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.types.Shape;
import ai.djl.ndarray.types.SparseFormat;
import ai.djl.nn.core.Embedding;
import io.fisherstreams.checkpoint.ModelConfig;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.example.InputTensor;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;

/**
 * A classifier on the mean of its tokens' embeddings, the worked example of {@code
 * docs/add-an-architecture.md}.
 *
 * <p>{@code config.json}: {@code vocab_size}, {@code hidden_size}, and the number of classes as
 * {@code num_labels} or {@code id2label}. Tensors: {@code embeddings.weight} (vocabulary, width),
 * {@code score.weight} (classes, width) and {@code score.bias} (classes). Input: {@code input_ids}
 * (tokens).
 */
final class BagOfTokens implements Network {
  private final int vocabulary;
  private final LoadedParameter embeddings;
  private final Linear score;

  private BagOfTokens(ModelConfig config, Parameters parameters) {
    vocabulary = config.positive("vocab_size");
    int width = config.positive("hidden_size");
    int classes = config.classes();
    config.requireClasses(classes, "num_labels or id2label");
    embeddings = parameters.take("embeddings.weight", vocabulary, width);
    score =
        new Linear(
            parameters.take("score.weight", classes, width),
            Optional.of(parameters.take("score.bias", classes)),
            Linear.Layout.OUT_IN);
  }

  /** The architecture for {@code model_type} "bag_of_tokens". */
  static Architecture architecture() {
    return new Architecture(
        Set.of("bag_of_tokens"),
        BagOfTokens::new,
        config -> example -> tokens(example, config.positive("vocab_size")),
        Optional.of("score.weight"));
  }

  @Override
  public Set<String> embeddings() {
    return Set.of(embeddings.name());
  }

  @Override
  public void requireInputs(Example example) {
    tokens(example, vocabulary);
  }

  private static int[] tokens(Example example, int vocabulary) {
    InputTensor input = example.input("input_ids");
    if (input.shape().size() != 1 || input.elements() == 0 || !input.integral()) {
      throw example.invalid(
          "input_ids: expected a vector of integers, found %s %s"
              .formatted(input.dtype(), input.shape()));
    }
    long[] ids = input.toLongs();
    int[] tokens = new int[ids.length];
    for (int i = 0; i < ids.length; i++) {
      if (ids[i] < 0 || ids[i] >= vocabulary) {
        throw example.invalid(
            String.format(
                Locale.ROOT,
                "input_ids[%d] is %d, outside the vocabulary 0 … %d",
                i,
                ids[i],
                vocabulary - 1));
      }
      tokens[i] = (int) ids[i];
    }
    return tokens;
  }

  @Override
  public Pass forward(NDManager scope, List<Example> batch) {
    return new BagPass(
        scope, batch.stream().map(example -> tokens(example, vocabulary)).toArray(int[][]::new));
  }

  private final class BagPass implements Pass {
    private final int[][] tokens;
    private final NDArray average;
    private final NDArray mean;
    private final NDArray logits;

    BagPass(NDManager scope, int[][] tokens) {
      this.tokens = tokens;
      int batch = tokens.length;
      int length = Arrays.stream(tokens).mapToInt(row -> row.length).max().orElseThrow();
      int[] ids = new int[batch * length];
      float[] parts = new float[batch * length];
      for (int i = 0; i < batch; i++) {
        System.arraycopy(tokens[i], 0, ids, i * length, tokens[i].length);
        Arrays.fill(parts, i * length, i * length + tokens[i].length, 1f / tokens[i].length);
      }
      NDArray lookedUp = scope.create(ids, new Shape(batch, length));
      average = scope.create(parts, new Shape(batch, 1, length));
      mean =
          Scratch.scoped(
              () ->
                  average.matMul(
                      Embedding.embedding(lookedUp, embeddings.value(), SparseFormat.DENSE)
                          .singletonOrThrow()));
      logits = Scratch.scoped(() -> score.forward(mean).reshape(batch, -1));
    }

    @Override
    public NDArray logits() {
      return logits;
    }

    @Override
    public Backward.RowRanges ranges() {
      int[] lengths = Arrays.stream(tokens).mapToInt(row -> row.length).toArray();
      return new Backward.RowRanges(new int[tokens.length], lengths);
    }

    @Override
    public void backward(NDArray d, Backward backward) {
      Scratch.run(
          () -> {
            score.addSquares(mean, d, backward);
            NDArray dMean = score.inputGradient(d);
            NDArray spread = backward.byDirection(average).transpose(0, 2, 1);
            backward.addEmbeddingSquares(embeddings, spread.matMul(dMean), tokens);
          });
    }
  }
}
