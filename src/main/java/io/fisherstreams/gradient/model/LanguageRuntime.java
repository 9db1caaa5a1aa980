package io.fisherstreams.gradient.model;

import ai.djl.ndarray.NDArray;
import ai.djl.ndarray.NDArrays;
import ai.djl.ndarray.NDList;
import ai.djl.ndarray.NDManager;
import ai.djl.ndarray.index.NDIndex;
import ai.djl.ndarray.types.Shape;
import io.fisherstreams.InvalidInput;
import io.fisherstreams.gradient.example.Example;
import io.fisherstreams.gradient.model.Cotangents.Squaring;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.stream.IntStream;

/** Runs a {@link LanguageNetwork}: one batched forward pass, and batched backward passes. */
final class LanguageRuntime extends BatchedRuntime {
  private final LanguageNetwork network;
  private final VocabularyHead head;

  /** Owns the parameters from now on, and closes them. */
  LanguageRuntime(LanguageNetwork network, Parameters parameters) {
    super(parameters, network.embeddings());
    this.network = network;
    this.head = new VocabularyHead(network.head());
  }

  @Override
  public Output output() {
    return Output.TOKENS;
  }

  @Override
  public void requireInputs(Example example) {
    network.requireInputs(example);
  }

  @Override
  public ForwardPass forward(List<Example> batch) {
    throw new IllegalStateException("a language model has no classes; see forwardTokens");
  }

  @Override
  public TokenPass forwardTokens(List<Example> batch) {
    return inScope(scope -> new Pass(scope, network.forward(scope, batch), batch));
  }

  private boolean isTied() {
    return network.head().name().equals(network.tokens().name());
  }

  /**
   * The rows of a batch that have a target, in the order of the examples.
   *
   * @param starts by example, its first target; then the number of targets
   * @param positions by target, its row among the rows of the whole batch
   * @param labels by target, the token of the example
   * @param hidden (targets, width)
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record Targets(int[] starts, int[] positions, int[] labels, NDArray hidden) {
    static Targets of(LanguageNetwork.Pass pass, NDManager scope) {
      int[][] wanted = pass.targets();
      int rows = Math.toIntExact(pass.hidden().getShape().get(1));
      int[] starts = new int[wanted.length + 1];
      IntStream.Builder positions = IntStream.builder();
      IntStream.Builder labels = IntStream.builder();
      for (int example = 0; example < wanted.length; example++) {
        starts[example + 1] = starts[example];
        for (int row = 0; row < wanted[example].length; row++) {
          if (wanted[example][row] >= 0) {
            positions.add(example * rows + row);
            labels.add(wanted[example][row]);
            starts[example + 1]++;
          }
        }
      }
      int[] all = positions.build().toArray();
      NDArray hidden =
          Scratch.scoped(
              () ->
                  pass.hidden()
                      .reshape(-1, pass.hidden().getShape().get(2))
                      .get(new NDIndex("{}", scope.create(all))));
      return new Targets(starts, all, labels.build().toArray(), hidden);
    }

    int count() {
      return positions.length;
    }

    /** The example of a target. */
    int example(int target) {
      int example = 0;
      while (starts[example + 1] <= target) {
        example++;
      }
      return example;
    }
  }

  /**
   * A token for each target of a batch: one direction for each example.
   *
   * @param tokens by target
   * @param factor of the directions
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record Tokens(int[] tokens, float factor) {}

  /**
   * A direction along a vector of logits of one target.
   *
   * @param logits the vector, one value a token
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record Logits(int target, float[] logits) {}

  /** The head's part of a backward pass: adds its squares and gives its rows' gradients. */
  private interface HeadPass {
    /**
     * Runs the head along all directions.
     *
     * @param table receives the gradients of rows that are looked up
     * @return (any number of rows, width)
     */
    NDList apply(HeadGradient head, RowGradients table);
  }

  private final class Pass implements TokenPass {
    private final NDManager scope;
    private final LanguageNetwork.Pass pass;
    private final List<Example> batch;
    private final Targets targets;
    private Softmax softmax;

    Pass(NDManager scope, LanguageNetwork.Pass pass, List<Example> batch) {
      this.scope = scope;
      this.pass = pass;
      this.batch = batch;
      this.targets = Targets.of(pass, scope);
    }

    /**
     * The softmax of every target's logits; computed at the first call.
     *
     * @param keptElements of its blocks, if it is computed now
     */
    private Softmax softmax(long keptElements) {
      if (softmax == null) {
        softmax = new Softmax(head, targets.hidden, keptElements);
      }
      double[] normaliser = softmax.normaliser();
      for (int t = 0; t < normaliser.length; t++) {
        if (!Double.isFinite(normaliser[t])) {
          throw batch
              .get(targets.example(t))
              .invalid("the model's logits are not finite; are the checkpoint's weights sound?");
        }
      }
      return softmax;
    }

    @Override
    public TokenScores scores() {
      Softmax found = softmax(0);
      int[] mostLikely = found.mostLikely();
      long correct = 0;
      for (int t = 0; t < mostLikely.length; t++) {
        correct += mostLikely[t] == targets.labels[t] ? 1 : 0;
      }
      return new TokenScores(
          mostLikely.length, correct, Arrays.stream(found.logProbabilities(targets.labels)).sum());
    }

    @Override
    public void check(TokenLabels labels) {
      if (labels instanceof TokenLabels.Every every && head.vocabulary() > every.maxVocabulary()) {
        throw new InvalidInput(
            String.format(
                Locale.ROOT,
                "the estimator exact needs a backward pass for each target and token, and this"
                    + " vocabulary has %d tokens, more than %d; use sampled, or set a larger"
                    + " --exact-vocabulary (exact_vocabulary in merge.yaml)",
                head.vocabulary(),
                every.maxVocabulary()));
      }
      softmax(Softmax.KEPT_ELEMENTS); // rejects logits that are not finite
    }

    @Override
    public void addSquaredGradients(TokenLabels labels, SquaredSums sums) {
      check(labels);
      if (labels instanceof TokenLabels.Drawn drawn) {
        int together = Math.max(1, MIN_DIRECTIONS / batch.size());
        for (int from = 0; from < drawn.samples(); from += together) {
          int to = Math.min(drawn.samples(), from + together);
          addTokens(IntStream.range(from, to).mapToObj(draw -> draw(drawn, draw)).toList(), sums);
        }
      } else if (labels instanceof TokenLabels.Every) {
        everyToken(sums);
      } else {
        addTokens(List.of(new Tokens(targets.labels, 1)), sums);
      }
    }

    private Tokens draw(TokenLabels.Drawn drawn, int draw) {
      SeededDraws draws = new SeededDraws(drawn.seed());
      double[] uniforms = new double[targets.count()];
      for (int i = 0; i < batch.size(); i++) {
        for (int t = targets.starts[i]; t < targets.starts[i + 1]; t++) {
          uniforms[t] = draws.uniform(batch.get(i).index(), draw, t - targets.starts[i]);
        }
      }
      return new Tokens(softmax.draw(uniforms), (float) Math.sqrt(1.0 / drawn.samples()));
    }

    private void addTokens(List<Tokens> together, SquaredSums sums) {
      int rows = batch.size() * Math.toIntExact(pass.hidden().getShape().get(1));
      int[] examples = new int[together.size() * batch.size()];
      Arrays.setAll(examples, direction -> direction % batch.size());
      int[] positions = new int[together.size() * targets.count()];
      Arrays.setAll(
          positions, i -> i / targets.count() * rows + targets.positions[i % targets.count()]);
      walk(
          examples,
          positions,
          sums,
          (gradient, table) -> {
            NDList found = new NDList();
            for (int i = 0; i < together.size(); i++) {
              Tokens one = together.get(i);
              HeadGradient.Target target =
                  new HeadGradient.Target(i * batch.size(), pass.lookedUp(), table);
              found.add(gradient.ofTokens(softmax, targets.starts, one.tokens, one.factor, target));
            }
            return found;
          });
    }

    private void everyToken(SquaredSums sums) {
      int together = Math.max(batch.size(), MIN_DIRECTIONS);
      List<Logits> waiting = new ArrayList<>();
      for (int t = 0; t < targets.count(); t++) {
        for (float[] direction : ProbabilityFactor.of(softmax.probabilities(t))) {
          waiting.add(new Logits(t, direction));
          if (waiting.size() == together) {
            addLogits(waiting, sums);
            waiting.clear();
          }
        }
      }
      if (!waiting.isEmpty()) {
        addLogits(waiting, sums);
      }
    }

    private void addLogits(List<Logits> together, SquaredSums sums) {
      int rows = Math.toIntExact(pass.hidden().getShape().get(1));
      int[] examples = together.stream().mapToInt(one -> targets.example(one.target)).toArray();
      int[] positions = new int[examples.length];
      Arrays.setAll(positions, k -> k * rows + targets.positions[together.get(k).target] % rows);
      walk(
          examples,
          positions,
          sums,
          (gradient, table) -> {
            NDList found = new NDList();
            for (int k = 0; k < examples.length; k++) {
              int target = together.get(k).target;
              NDArray row = targets.hidden.get(NDIndex.sliceAxis(0, target, target + 1));
              int[][] lookedUp = {pass.lookedUp()[examples[k]]};
              found.add(
                  gradient.ofLogits(
                      row, together.get(k).logits, new HeadGradient.Target(k, lookedUp, table)));
            }
            return found;
          });
    }

    /**
     * One backward pass.
     *
     * @param examples by direction
     * @param positions of the rows that the head gives, among the rows of all directions
     */
    private void walk(int[] examples, int[] positions, SquaredSums sums, HeadPass headPass) {
      Cotangents directions =
          new Cotangents(examples, new float[examples.length][0], Squaring.EACH);
      HeadGradient gradient = new HeadGradient(network.head(), isTied(), sums);
      try (NDManager walk = scope.newSubManager()) {
        Backward backward = new Backward(walk, batch.size(), directions, pass.ranges(), sums);
        RowGradients table = RowGradients.of(backward, pass.lookedUp(), head.width());
        NDArray d =
            Scratch.scoped(
                () -> spread(headPass.apply(gradient, table), examples.length, positions));
        d.attach(walk); // so that all of the backward pass is freed at its end
        pass.backward(d, backward, table);
        backward.addRowSquares(network.tokens(), table);
      }
    }

    /**
     * Puts rows at their positions; all others are 0.
     *
     * @return (directions, rows, width)
     */
    private NDArray spread(NDList found, int directions, int[] positions) {
      long rows = pass.hidden().getShape().get(1);
      int[] source = new int[Math.toIntExact(directions * rows)];
      Arrays.fill(source, positions.length);
      for (int i = 0; i < positions.length; i++) {
        source[positions[i]] = i;
      }
      found.add(scope.zeros(new Shape(1, head.width())));
      return NDArrays.concat(found)
          .get(new NDIndex("{}", scope.create(source)))
          .reshape(directions, rows, head.width());
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
