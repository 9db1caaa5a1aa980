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
import java.util.function.Consumer;

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
   * The rows of one example that have a target.
   *
   * @param positions by target, the row
   * @param labels by target, the token of the example
   * @param hidden (targets, width)
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record Targets(int[] positions, int[] labels, NDArray hidden) {}

  /** The head's part of one direction: adds its squares and gives the targets' gradients. */
  private interface Direction {
    NDArray apply(HeadGradient head, HeadGradient.Target target);
  }

  /**
   * One direction of a backward pass.
   *
   * @param example its example in the batch
   * @param positions the rows that the gradients belong to
   */
  @SuppressWarnings("ArrayRecordComponent") // only carries data between two loops, never compared
  private record Step(int example, int[] positions, Direction direction) {}

  private final class Pass implements TokenPass {
    private final NDManager scope;
    private final LanguageNetwork.Pass pass;
    private final List<Example> batch;
    private final List<Targets> targets = new ArrayList<>();
    private final List<VocabularyHead.Summary> summaries = new ArrayList<>();

    Pass(NDManager scope, LanguageNetwork.Pass pass, List<Example> batch) {
      this.scope = scope;
      this.pass = pass;
      this.batch = batch;
      for (int i = 0; i < batch.size(); i++) {
        targets.add(targets(i));
      }
    }

    private Targets targets(int example) {
      int[] wanted = pass.targets()[example];
      List<Integer> rows = new ArrayList<>();
      for (int row = 0; row < wanted.length; row++) {
        if (wanted[row] >= 0) {
          rows.add(row);
        }
      }
      int[] positions = rows.stream().mapToInt(Integer::intValue).toArray();
      int[] labels = Arrays.stream(positions).map(row -> wanted[row]).toArray();
      NDArray hidden =
          Scratch.scoped(
              () ->
                  pass.hidden()
                      .get(new NDIndex().addIndices(example))
                      .get(new NDIndex("{}", scope.create(positions))));
      return new Targets(positions, labels, hidden);
    }

    /** Log Σ exp of every target's logits; computed at the first call. */
    private VocabularyHead.Summary summary(int example) {
      while (summaries.size() <= example) {
        int next = summaries.size();
        VocabularyHead.Summary summary = head.summary(targets.get(next).hidden);
        if (!Arrays.stream(summary.normaliser()).allMatch(Double::isFinite)) {
          throw batch
              .get(next)
              .invalid("the model's logits are not finite; are the checkpoint's weights sound?");
        }
        summaries.add(summary);
      }
      return summaries.get(example);
    }

    @Override
    public TokenScores scores() {
      TokenScores scores = new TokenScores(0, 0, 0);
      for (int i = 0; i < batch.size(); i++) {
        VocabularyHead.Summary summary = summary(i);
        int[] labels = targets.get(i).labels;
        long correct = 0;
        for (int t = 0; t < labels.length; t++) {
          correct += labels[t] == summary.mostLikely()[t] ? 1 : 0;
        }
        double[] logProbabilities =
            head.logProbabilities(targets.get(i).hidden, summary.normaliser(), labels);
        scores =
            scores.plus(
                new TokenScores(labels.length, correct, Arrays.stream(logProbabilities).sum()));
      }
      return scores;
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
      summary(batch.size() - 1); // rejects logits that are not finite
    }

    @Override
    public void addSquaredGradients(TokenLabels labels, SquaredSums sums) {
      check(labels);
      List<Step> waiting = new ArrayList<>();
      int together = Math.max(batch.size(), MIN_DIRECTIONS);
      Consumer<Step> add =
          step -> {
            waiting.add(step);
            if (waiting.size() == together) {
              walk(waiting, sums);
              waiting.clear();
            }
          };
      if (labels instanceof TokenLabels.Drawn drawn) {
        drawnLabels(drawn, add);
      } else if (labels instanceof TokenLabels.Every) {
        everyToken(add);
      } else {
        ownLabels(add);
      }
      if (!waiting.isEmpty()) {
        walk(waiting, sums);
      }
    }

    private void ownLabels(Consumer<Step> add) {
      for (int i = 0; i < batch.size(); i++) {
        add.accept(tokens(i, targets.get(i).labels, 1));
      }
    }

    private Step tokens(int example, int[] tokens, float factor) {
      Targets rows = targets.get(example);
      double[] normaliser = summary(example).normaliser();
      return new Step(
          example,
          rows.positions,
          (gradient, target) -> gradient.ofTokens(rows.hidden, normaliser, tokens, factor, target));
    }

    private void drawnLabels(TokenLabels.Drawn drawn, Consumer<Step> add) {
      SeededDraws draws = new SeededDraws(drawn.seed());
      float factor = (float) Math.sqrt(1.0 / drawn.samples());
      for (int draw = 0; draw < drawn.samples(); draw++) {
        for (int i = 0; i < batch.size(); i++) {
          double[] uniforms = new double[targets.get(i).labels.length];
          for (int t = 0; t < uniforms.length; t++) {
            uniforms[t] = draws.uniform(batch.get(i).index(), draw, t);
          }
          int[] tokens = head.draw(targets.get(i).hidden, summary(i).normaliser(), uniforms);
          add.accept(tokens(i, tokens, factor));
        }
      }
    }

    private void everyToken(Consumer<Step> add) {
      for (int i = 0; i < batch.size(); i++) {
        Targets rows = targets.get(i);
        for (int t = 0; t < rows.positions.length; t++) {
          NDArray row = rows.hidden.get(new NDIndex().addSliceDim(t, t + 1));
          for (float[] direction : ProbabilityFactor.of(probabilities(row, summary(i), t))) {
            add.accept(
                new Step(
                    i,
                    new int[] {rows.positions[t]},
                    (gradient, target) -> gradient.ofLogits(row, direction, target)));
          }
        }
      }
    }

    private double[] probabilities(NDArray row, VocabularyHead.Summary summary, int target) {
      double[] p = new double[head.vocabulary()];
      head.forEachBlock(
          row,
          (first, logits, block) -> {
            float[] values = logits.toFloatArray();
            for (int i = 0; i < values.length; i++) {
              p[first + i] = Math.exp(values[i] - summary.normaliser()[target]);
            }
          });
      return p;
    }

    private void walk(List<Step> steps, SquaredSums sums) {
      int[] examples = steps.stream().mapToInt(Step::example).toArray();
      int rows = Math.toIntExact(pass.hidden().getShape().get(1));
      Cotangents directions =
          new Cotangents(examples, new float[examples.length][0], Squaring.EACH);
      HeadGradient gradient = new HeadGradient(head, network.head(), isTied(), sums);
      try (NDManager walk = scope.newSubManager()) {
        Backward backward = new Backward(walk, batch.size(), directions, pass.ranges(), sums);
        RowGradients table = RowGradients.of(backward, pass.lookedUp(), head.width());
        NDArray d =
            Scratch.scoped(
                () -> {
                  NDList all = new NDList();
                  for (int k = 0; k < steps.size(); k++) {
                    Step step = steps.get(k);
                    int[] lookedUp = pass.lookedUp()[step.example];
                    NDArray found =
                        step.direction.apply(gradient, new HeadGradient.Target(k, lookedUp, table));
                    all.add(asRows(walk, step.positions, rows).matMul(found));
                  }
                  return NDArrays.stack(all);
                });
        pass.backward(d, backward, table);
        backward.addRowSquares(network.tokens(), table);
      }
    }

    /** 1 where a row is a target's position and 0 elsewhere, (rows, targets). */
    private static NDArray asRows(NDManager manager, int[] positions, int rows) {
      float[] members = new float[rows * positions.length];
      for (int t = 0; t < positions.length; t++) {
        members[positions[t] * positions.length + t] = 1;
      }
      return manager.create(members, new Shape(rows, positions.length));
    }

    @Override
    public void close() {
      scope.close();
    }
  }
}
